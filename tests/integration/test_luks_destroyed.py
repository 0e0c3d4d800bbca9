"""LUKS2 containers made by cryptsetup: once their headers are destroyed, the right passphrase opens nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates.errors import Refused
from certificates.statements import Carrier, FullReadBack, KeyGone, LuksIdentity, Outcome, Selector
from tests.support.bench import (
    MIB,
    Bench,
    RealRun,
    bench_in,
    carrier_of,
    identity_of,
    image_identity,
    luks_format,
    luks_opens,
    luks_selector,
)
from tests.support.ext4_image import run
from wipers.linux.direct import page_aligned

pytestmark = [
    pytest.mark.integration,
    pytest.mark.needs_root,
    pytest.mark.skipif(shutil.which("cryptsetup") is None, reason="needs cryptsetup"),
]

UUID = "12345678-1234-1234-1234-123456789abc"
OTHER = "87654321-1234-1234-1234-123456789abc"
HEADER = "luks2-header"
MAGICS = (b"LUKS\xba\xbe", b"SKUL\xba\xbe")


@pytest.fixture
def bench() -> Iterator[Bench]:
    """In memory: cryptsetup flushes a lot, and what is tested lies on an ext4 of its own anyway."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, bench_in(Path(folder)) as found:
        yield found


@pytest.fixture
def vault(bench: Bench) -> Path:
    """A container in an image file on ext4."""
    path = bench.ext4(80 * MIB) / "vault"
    path.touch()
    os.truncate(path, 24 * MIB)
    luks_format(path, UUID)
    return path


def carrier_in(vault: Path, uuid: str = UUID) -> Carrier:
    return carrier_of(LuksIdentity(uuid, image_identity(vault)), HEADER)


def backup_of(vault: Path, name: str = "backup") -> Path:
    backup = vault.with_name(name)
    run("cryptsetup", "luksHeaderBackup", vault, "--header-backup-file", backup)
    return backup


def refusal(bench: Bench, carrier: Carrier, selector: Selector) -> Refused:
    with pytest.raises(Refused) as caught:
        RealRun(bench.host, carrier, selector)
    return caught.value


def key_gone(done: RealRun) -> KeyGone:
    return next(check for check in done.evidence.checks if isinstance(check, KeyGone))


def test_a_container_in_an_image_file_is_destroyed(bench: Bench, vault: Path) -> None:
    """The right passphrase, the header and the payload's start: nothing is left that cryptsetup takes."""
    assert luks_opens(vault)
    done = RealRun(bench.host, carrier_in(vault), luks_selector(vault))
    done.go()
    assert done.claim.outcome is Outcome.PROVEN
    gone = key_gone(done)
    assert (gone.keyslots_before, gone.header_copies_before) == (1, 2)
    assert (gone.keyslots_after, gone.header_copies_after, gone.opener_refused) == (0, 0, True)
    assert gone.opener.startswith("cryptsetup ")
    (header,) = (check for check in done.evidence.checks if isinstance(check, FullReadBack))
    assert (header.area, header.place, header.matched) == ("header", "below-file-system", 16 * MIB)
    assert not luks_opens(vault)
    assert not any(magic in vault.read_bytes() for magic in MAGICS)


def test_a_container_on_a_loop_device_is_destroyed_with_its_payload(bench: Bench) -> None:
    """The other technique writes over the whole device afterwards."""
    image = bench.image("image", 20 * MIB)
    luks_format(image, UUID)
    device = bench.attach(image)
    identity = LuksIdentity(UUID, identity_of(bench.listed(device)))
    done = RealRun(bench.host, carrier_of(identity, "luks2-header-and-payload"), luks_selector(None))
    done.go()
    assert done.claim.outcome is Outcome.PROVEN
    assert [check.place for check in done.evidence.checks if isinstance(check, FullReadBack)] == ["device", "device"]
    assert not luks_opens(device)


def test_named_backups_go_with_the_container(bench: Bench, vault: Path) -> None:
    """A header backup brings a destroyed container back: it is the key once more."""
    backup, missing = backup_of(vault), vault.with_name("missing")
    kept = shutil.copyfile(backup, bench.folder / "kept")
    done = RealRun(bench.host, carrier_in(vault), luks_selector(vault, backup, missing))
    done.go()
    assert (key_gone(done).backups_destroyed, key_gone(done).backups_unreached) == (1, 1)
    assert not any(magic in backup.read_bytes() for magic in MAGICS)
    restored = ["cryptsetup", "luksHeaderRestore", "-q", str(vault), "--header-backup-file", str(backup)]
    assert subprocess.run(restored, capture_output=True, check=False).returncode != 0
    run("cryptsetup", "luksHeaderRestore", "-q", vault, "--header-backup-file", kept)
    assert luks_opens(vault), "a copy nobody named brings it back, which is why the certificate lists the backups"


def test_a_file_that_is_no_backup_of_this_container_refuses_the_run(bench: Bench, vault: Path) -> None:
    """A slip of the pen in the order must not cost another file its contents."""
    letter, other = vault.with_name("letter"), vault.with_name("other")
    letter.write_bytes(b"Dear reader" * 1000)
    other.touch()
    os.truncate(other, 24 * MIB)
    luks_format(other, OTHER)
    for wrong in (letter, other, vault):
        content = wrong.read_bytes()
        assert refusal(bench, carrier_in(vault), luks_selector(vault, wrong)).reason == "header-backup-wrong"
        assert wrong.read_bytes() == content
    assert luks_opens(vault)


def test_a_backup_whose_storage_cannot_be_proven_is_left_and_said_so(bench: Bench, vault: Path) -> None:
    """tmpfs has nothing below it; claiming it destroyed would be a word without proof."""
    point = bench.folder / "memory"
    point.mkdir()
    run("mount", "-t", "tmpfs", "none", point)
    bench.held.callback(run, "umount", point)
    backup = shutil.copyfile(backup_of(vault), point / "backup")
    done = RealRun(bench.host, carrier_in(vault), luks_selector(vault, backup))
    done.go()
    assert (key_gone(done).backups_destroyed, key_gone(done).backups_unreached) == (0, 1)
    assert backup.read_bytes()[:6] == MAGICS[0]


def test_the_second_header_alone_is_destroyed_too(bench: Bench, vault: Path) -> None:
    """`cryptsetup repair` would bring the first back from it."""
    with vault.open("r+b") as file:
        file.write(bytes(4096))
    done = RealRun(bench.host, carrier_in(vault), luks_selector(vault))
    done.go()
    assert (key_gone(done).header_copies_before, key_gone(done).header_copies_after) == (1, 0)


def test_an_erased_container_still_counts_as_one(bench: Bench, vault: Path) -> None:
    """isLuks stays true after luksErase: no keyslot is left, two headers are."""
    run("cryptsetup", "luksErase", "-q", vault)
    carrier, selector = carrier_in(vault), luks_selector(vault)
    (target,) = bench.host.find(carrier, selector)
    with bench.host.open(target, carrier, selector, resuming=False) as writer:
        state = writer.key_state()
    assert (state.keyslots, state.header_copies, state.opener_refused) == (0, 2, False)


def test_another_container_in_the_same_place_is_refused(bench: Bench, vault: Path) -> None:
    """Formatted anew since the order was signed: it holds something else."""
    carrier = carrier_in(vault)
    luks_format(vault, OTHER)
    refused = refusal(bench, carrier, luks_selector(vault))
    assert (refused.reason, refused.facts["found"]) == ("identity-changed", OTHER)
    assert luks_opens(vault)


def test_a_container_formatted_anew_between_plan_and_open_is_refused(bench: Bench, vault: Path) -> None:
    """The UUID is read again through the descriptor that would be written to."""
    planned = RealRun(bench.host, carrier_in(vault), luks_selector(vault))
    target = planned.host.find(planned.carrier, planned.selector)[0]
    luks_format(vault, OTHER)
    with pytest.raises(Refused) as caught, planned.host.open(target, planned.carrier, planned.selector, False):
        pass
    assert caught.value.facts["fact"] == "luks-uuid"
    assert luks_opens(vault)


def test_luks1_is_refused(bench: Bench, vault: Path) -> None:
    """Its key material lies elsewhere than this technique writes."""
    luks_format(vault, UUID, kind="luks1")
    assert refusal(bench, carrier_in(vault), luks_selector(vault)).reason == "luks-version"
    assert luks_opens(vault)


def test_a_container_that_is_being_made_around_plaintext_is_refused(bench: Bench, vault: Path) -> None:
    """`cryptsetup reencrypt --encrypt` writes the header first: with the key gone the plaintext would still stand."""
    vault.write_bytes(b"PLAINTEXT" * (3 * MIB))
    cheap = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
    options = ("--encrypt", "--init-only", "--reduce-device-size", "16M", "--uuid", UUID, "--type", "luks2", "-q")
    command = ["cryptsetup", "reencrypt", *options, *cheap, "--key-file=-", str(vault)]
    subprocess.run(command, input=b"secret", capture_output=True, check=True)
    assert refusal(bench, carrier_in(vault), luks_selector(vault)).reason == "luks-not-encrypted"


def test_a_container_whose_payload_is_a_hole_is_destroyed(bench: Bench, vault: Path) -> None:
    """Behind a small header, places where another copy could lie have no block in a sparse image."""
    os.truncate(vault, 0)
    os.truncate(vault, 24 * MIB)
    luks_format(vault, UUID, options=("--luks2-keyslots-size", "256k", "--offset", "8192"))
    done = RealRun(bench.host, carrier_in(vault), luks_selector(vault))
    done.go()
    assert done.plan.header_size == 4 * MIB
    assert done.claim.outcome is Outcome.PROVEN
    assert (key_gone(done).header_copies_before, key_gone(done).header_copies_after) == (2, 0)


def test_what_holds_no_container_is_refused(bench: Bench, vault: Path) -> None:
    """An image of the right identity, but with nothing in it."""
    with vault.open("r+b") as file:
        file.write(bytes(16 * MIB))
    assert refusal(bench, carrier_in(vault), luks_selector(vault)).reason == "luks-header-missing"


def test_a_begun_run_is_taken_up_though_header_and_backups_are_gone(bench: Bench, vault: Path) -> None:
    """Nothing on the medium tells any more that this was a container; the run's own note does."""
    backup = backup_of(vault)
    carrier, selector = carrier_in(vault), luks_selector(vault, backup)
    run_ = RealRun(bench.host, carrier, selector)
    (target,) = bench.host.find(carrier, selector)
    buffer = page_aligned(8 * MIB)
    with bench.host.open(target, carrier, selector, resuming=False) as writer:
        for stream in (0, 1):
            writer.write(stream, 0, buffer)
        writer.flush()
    assert run_.planned() == run_.plan
    with bench.host.open(target, carrier, selector, resuming=True) as writer:
        assert [extent.length for extent in writer.layout("header")] == [16 * MIB, 16 * MIB]
    with pytest.raises(Refused), bench.host.open(target, carrier, selector, resuming=False):
        pass


def test_the_note_of_a_run_holds_no_name(bench: Bench, vault: Path) -> None:
    """It outlives the run."""
    backup = backup_of(vault, "very-private-name")
    RealRun(bench.host, carrier_in(vault), luks_selector(vault, backup)).go()
    notes = list((bench.folder / "state").iterdir())
    assert sorted(note.suffix for note in notes) == [".luks", ".places", ".places"]
    assert not any(note.stat().st_mode & 0o077 for note in notes)
    assert not any(b"private" in note.read_bytes() + note.name.encode() for note in notes)
