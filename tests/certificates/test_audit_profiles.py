"""A speed profile in a bundle adds up, and belongs to a step of the evidence."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from certificates import bundle
from certificates.audit import Report, audit
from certificates.audit.profiles import profiles_in
from certificates.encoding import digest, encode
from certificates.errors import Untrusted
from certificates.statements import Certificate, EvidenceFile, Extent, Failure, SpeedProfile
from tests.support.runs import Run, carrier, run_of
from tests.support.simulated_host import Lies, Plug, PowerCut, Simulated
from tests.support.story import story, tell
from tests.support.world import Papers

BINS = 7
SIZE = 1_000_204_886_016
BIN = -(-SIZE // BINS // 4096) * 4096


def profile(step: int = 0, **changes: Any) -> SpeedProfile:
    """A pass over the story's drive: each seventh part slower than the one before."""
    moved = tuple(min(BIN, SIZE - number * BIN) for number in range(BINS))
    micros = tuple(5_000_000_000 + number * 100_000_000 for number in range(BINS))
    rates = [bytes_ * 1_000_000 // spent for bytes_, spent in zip(moved, micros, strict=True)]
    made = SpeedProfile(
        step=step,
        act="overwrite" if step == 0 else "read-back",
        area="whole",
        size=SIZE,
        bin_size=BIN,
        moved=moved,
        microseconds=micros,
        failed=(0,) * BINS,
        measured_from=0,
        rested=0,
        slowest=min(rates),
        average=SIZE * 1_000_000 // sum(micros),
        fastest=max(rates),
    )
    return replace(made, **changes)


def papers(*profiles: SpeedProfile, name: str = "profile-{step}.json", **changes: Any) -> Papers:
    """The story with these files in its bundle, bound by its certificate."""
    return with_evidence({name.format(step=one.step): encode(one) for one in profiles}, **changes)


def with_evidence(files: dict[str, bytes], **changes: Any) -> Papers:
    """The story with evidence files of these names, bound by its certificate."""

    def certified(told: Certificate) -> Certificate:
        listed = tuple(EvidenceFile(name, digest(data), len(data)) for name, data in sorted(files.items()))
        return replace(told, binding=replace(told.binding, evidence_files=listed))

    made = tell(story(certified=certified, **changes))
    return replace(made, entries=made.entries | {bundle.EVIDENCE + name: data for name, data in files.items()})


def report(made: Papers) -> Report:
    return audit(made.packed, made.trust)


def test_profiles_that_add_up_are_told() -> None:
    """As the host's word: nobody can measure it again."""
    told = report(papers(profile(), profile(1)))
    (finding,) = [one for one in told.findings if one.name == "profile"]
    assert (finding.code, finding.basis.value, told.verdict.exit_code) == ("profiles-hold", "attested", 0)
    assert "written at 26 MB/s (25 to 28), read back at" in finding.tell()
    assert "写入" in finding.tell("zh")


def test_a_bundle_without_profiles_says_nothing_of_them() -> None:
    """Runs of before had none."""
    assert [one for one in report(papers()).findings if one.name == "profile"] == []


def test_failures_are_those_of_the_record() -> None:
    """Each in its bin, together as many bytes as the record lists."""
    lost = (Failure(Extent(0, 3 * BIN, 4096), "EIO"),)
    failed = (0, 0, 0, 4096, 0, 0, 0)
    holds = report(papers(profile(failed=failed), failures=lost, unread=lost))
    assert [one.code for one in holds.findings if one.name == "profile"] == ["profiles-hold"]
    assert "profile" in wrong(papers(profile(), failures=lost, unread=lost))


def wrong(made: Papers) -> list[str]:
    """Names of what does not hold."""
    return [one.name for one in report(made).findings if one.code in ("binding-broken", "field-wrong")]


LIES: dict[str, Callable[[], SpeedProfile]] = {
    "another size": lambda: profile(size=SIZE - 4096),
    "another area": lambda: profile(area="header"),
    "another act": lambda: profile(act="read-back"),
    "a step that is not there": lambda: profile(5),
    "bins missing": lambda: profile(failed=(0,) * (BINS - 1)),
    "bins of another size": lambda: profile(bin_size=BIN * 2),
    "bins of no size": lambda: profile(bin_size=0),
    "more moved than there is": lambda: profile(moved=(BIN + 1, *profile().moved[1:])),
    "moved before it was measured": lambda: profile(measured_from=2 * BIN),
    "measured from behind the end": lambda: profile(measured_from=SIZE + 1),
    "more failed than there is": lambda: profile(failed=(BIN + 1, 0, 0, 0, 0, 0, 0)),
    "failures that the record has not": lambda: profile(failed=(512, 0, 0, 0, 0, 0, 0)),
    "faster than its bins": lambda: profile(fastest=10**12),
    "slower than its bins": lambda: profile(slowest=1),
    "another average": lambda: profile(average=1),
}


@pytest.mark.parametrize("name", LIES)
def test_a_profile_that_does_not_fit_does_not_hold(name: str) -> None:
    """It would draw a picture of something else."""
    assert wrong(papers(LIES[name]())) == ["profile"]


def test_a_profile_is_found_under_its_own_number() -> None:
    """A file that names another step than it holds is another's."""
    assert wrong(papers(profile(), name="profile-1.json")) == ["profile"]


def test_a_profile_as_long_as_a_book_is_not_read() -> None:
    """Two hundred bins fit into a few kilobytes."""
    with pytest.raises(Untrusted) as caught:
        profiles_in({"profile-0.json": b" " * (1 << 17)}, run_of().evidence)
    assert caught.value.reason == "document-too-large"


def test_the_profiles_of_real_runs_hold() -> None:
    """Of devices and files, with bad sectors, and after an interruption anywhere."""
    bad = Lies(bad_writes={(0, 9): "EIO", (0, 77): "EIO"}, bad_reads={(0, 40): "EIO"})
    for run in (run_of(), run_of("files"), run_of("luks"), Run(Simulated(lies=bad), carrier())):
        run.go()
        assert len(profiles_in(run.kept, run.evidence)) == 2 * run.evidence.passes
    for cut_at in range(3, 70, 8):
        run = Run(Simulated(lies=bad), carrier(), plug=Plug(cut_at=cut_at))
        with suppress(PowerCut):
            run.go()
        run.restore_power()
        run.go()
        assert profiles_in(run.kept, run.evidence)
