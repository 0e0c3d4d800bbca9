"""Planning is pure: the same order and machine give the same plan, or a refusal that says why."""

from __future__ import annotations

import dataclasses

import pytest

from certificates.errors import Refused
from certificates.statements import (
    CryptoEraseConditions,
    FilesIdentity,
    Kind,
    KnownCopy,
    Level,
    Media,
    Residual,
)
from tests.support.runs import ORDER, UUID, carrier
from tests.support.simulated_host import Simulated
from wipers import WIPERS
from wipers.model import Obstacle, Plan, Target
from wipers.planning import plan

ALL_SEVEN = CryptoEraseConditions(*[True] * 7)


def planned(kind: Kind = "device", targets: tuple[Target, ...] | None = None, **changes: object) -> Plan:
    found = targets if targets is not None else (Simulated(kind, header_size=16384 if kind == "luks" else 0).target(),)
    return plan(ORDER, carrier(kind, **changes), found, WIPERS[kind])


def refusal(kind: Kind = "device", targets: tuple[Target, ...] | None = None, **changes: object) -> str:
    with pytest.raises(Refused) as caught:
        planned(kind, targets, **changes)
    assert "<" not in caught.value.tell("en") + caught.value.tell("zh"), "a fact of the sentence is missing"
    return caught.value.reason


def test_nothing_found_is_refused() -> None:
    """A carrier that is not here cannot be destroyed here."""
    assert refusal(targets=()) == "carrier-not-found"


def test_two_things_that_fit_are_refused() -> None:
    """Choosing one of two is how the wrong disk is wiped."""
    assert refusal(targets=(Simulated().target(), Simulated(serial="S2").target())) == "carrier-ambiguous"


def test_two_paths_to_one_unit_are_one_target() -> None:
    """Multipath shows a drive twice; the plan must not depend on which path is listed first."""
    first = Simulated().target()
    second = dataclasses.replace(first, location="/simulated/path-2")
    assert planned(targets=(first, second)).digest == planned(targets=(second, first)).digest


def test_an_obstacle_on_any_path_is_refused() -> None:
    """A drive mounted through its other path is in use."""
    free = Simulated().target()
    held = dataclasses.replace(free, location="/z", obstacles=(Obstacle("in-use", (("where", "/z"), ("by", "lvm"))),))
    assert refusal(targets=(free, held)) == "in-use"


@pytest.mark.parametrize(("least", "most"), [(2, 9), (0, 0)])
def test_more_or_fewer_files_than_ordered_are_refused(least: int, most: int) -> None:
    """More is somebody else's data; fewer means that the order speaks of something else."""
    assert refusal("files", identity=FilesIdentity(UUID, 2, least, most, 1 << 20)) == "count-outside-order"


def test_the_keystream_is_preferred() -> None:
    """Zeros cannot be told from a block that was never written."""
    assert planned().technique == "random-1"


def test_the_technique_ordered_is_taken() -> None:
    """The approvers may have a reason."""
    assert planned(technique="zeros-1").technique == "zeros-1"


@pytest.mark.parametrize("technique", ["nosuch-1", "luks2-header"])
def test_a_technique_that_does_not_fit_is_refused(technique: str) -> None:
    """Neither unknown ones, nor those of another kind of carrier."""
    assert refusal(technique=technique) == "technique-unknown"


@pytest.mark.parametrize("media", list(Media))
@pytest.mark.parametrize("level", [Level.PURGE, Level.DESTROY])
def test_purge_by_overwriting_is_refused(media: Media, level: Level) -> None:
    """Before the device is opened: no overwrite reaches what a device keeps to itself."""
    assert refusal(targets=(Simulated(media=media).target(),), level=level) == "level-not-reachable"


def test_purge_of_a_container_needs_the_seven_conditions() -> None:
    """Without them the payload is ciphertext whose key may be anywhere: better told before than after."""
    assert planned("luks", level=Level.PURGE, crypto_erase=ALL_SEVEN).technique == "luks2-header"
    assert refusal("luks", level=Level.PURGE) == "level-not-reachable"
    six = dataclasses.replace(ALL_SEVEN, no_escrow=False)
    assert refusal("luks", level=Level.PURGE, crypto_erase=six) == "level-not-reachable"


def test_without_the_conditions_the_payload_is_overwritten_too() -> None:
    """Clear is then reached by the overwrite, whatever happened to the key."""
    assert planned("luks").technique == "luks2-header-and-payload"
    outside = (KnownCopy("header backup"),)
    assert planned("luks", crypto_erase=ALL_SEVEN, copies=outside).technique == "luks2-header-and-payload"


def test_purge_of_a_container_on_flash_is_refused() -> None:
    """Old pages may keep the keyslots."""
    target = Simulated("luks", header_size=16384, media=Media.FLASH).target()
    assert refusal("luks", (target,), level=Level.PURGE, crypto_erase=ALL_SEVEN) == "level-not-reachable"


def test_the_digest_covers_what_a_person_confirms() -> None:
    """Another level, target or technique is another plan; the same again is the same."""
    plans = [
        planned(),
        planned(technique="zeros-1"),
        planned(targets=(Simulated(serial="S2").target(),)),
        planned(targets=(Simulated(sizes=(4096,)).target(),)),
    ]
    assert len({one.digest for one in plans}) == len(plans)
    assert planned().digest == plans[0].digest


def test_what_an_act_is_there_for_is_no_residual_of_the_plan() -> None:
    """A certificate that proves the names gone must not list them as not reached beside."""
    history = (Residual("free-blocks"), Residual("file-system-journal"), Residual("names-in-directories", 3))
    target = dataclasses.replace(Simulated("files").target(), residual=(*history, Residual("memory-and-swap")))
    codes = {
        wanted: [one.code for one in planned("files", targets=(target,), destroy=wanted).residual]
        for wanted in ((), ("names",), ("history",), ("names", "history"))
    }
    assert codes[()] == ["free-blocks", "file-system-journal", "names-in-directories", "memory-and-swap"]
    assert codes["names",] == ["free-blocks", "memory-and-swap"]
    assert codes["history",] == ["names-in-directories", "memory-and-swap"]
    assert codes["names", "history"] == ["memory-and-swap"]
