"""An order wants contents, names and history gone: the certificate says so, and a host that tells it otherwise later is
caught, though it seals its lie with its own key."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from certificates import bundle, claims
from certificates.audit import Verdict, audit, certificate_of
from certificates.encoding import decode, digest
from certificates.statements import (
    Began,
    Certificate,
    Checked,
    Concluded,
    Entry,
    Evidence,
    FillRecord,
    Hits,
    NeedlesRecord,
    Recorded,
    ResidueHunt,
)
from certificates.trust import Trust
from tests.support import world
from tests.support.ext4_image import ext4_image
from tests.support.real_site import EXECUTOR, RealSite, database_carrier, files_carrier
from tests.support.scanner import needles_found
from tests.support.story import Timed, chain, journal_bytes

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

Papers = tuple[dict[str, bytes], Trust]
Retold = Callable[[list[Timed]], list[Timed]]


def secret(number: int) -> bytes:
    return hashlib.shake_128(f"secret {number}".encode()).digest(40)


NAMES = [f"dismissal-of-person-{number:03d}.odt" for number in range(40)]


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """The bundle of a run on an ext4, where an earlier version of a file is in free blocks."""
    folder = tmp_path_factory.mktemp("certified")
    with ext4_image(folder, size=24 << 20, block_size=1024) as disk:
        root = disk.root / "in"
        root.mkdir()
        for number, name in enumerate(NAMES):
            (root / name).write_bytes(secret(number) * (1 + number * 5))
        (root / "earlier").write_bytes(secret(0) * 100)
        disk.sync()
        (root / "earlier").unlink()
        disk.sync()
        site = RealSite(folder / "site")
        charge = site.charge(files_carrier(disk.root, "in", destroy=("names", "history")))
        told = site.run(charge)
        disk.sync()
        assert told.returncode in {0, 6}, told.stdout
        everything = [*map(secret, range(len(NAMES))), *(name.encode() for name in NAMES)]
        assert sum(needles_found(disk.image, everything).values()) == 0
    return site.entries(), site.trust


def test_a_whole_database_is_sampled_and_hunted_for_too(tmp_path: Path) -> None:
    """A log that SQLite removed long ago may hold what its file does."""
    with ext4_image(tmp_path) as disk:
        path = disk.root / "customers.db"
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE customers (name TEXT)")
            rows = ((secret(number).hex(),) for number in range(200))
            database.executemany("INSERT INTO customers VALUES (?)", rows)
        disk.sync()
        site = RealSite(tmp_path / "site")
        told = site.run(site.charge(database_carrier(path, hunt=True)))
        assert told.returncode in {0, 6}, told.stdout
    evidence = certificate_of(site.entries())[0].evidence
    (hunt,) = (check for check in evidence.checks if isinstance(check, ResidueHunt))
    assert hunt.needles > 0
    assert {hits.place for hits in hunt.hits} <= {"free"}


def judged(entries: dict[str, bytes], trust: Trust) -> tuple[Verdict, set[str]]:
    """The verdict, and what does not hold or is not so."""
    report = audit(bundle.pack(entries), trust)
    return report.verdict, {one.code for one in report.findings if one.sign == "fails"}


def is_proven(entries: dict[str, bytes], trust: Trust) -> bool:
    """Whether all documents hold and the claim follows; that nobody registered it is another matter."""
    report = audit(bundle.pack(entries), trust)
    signs = {one.sign for one in report.findings}
    return "fails" not in signs and "claim-proven" in {one.code for one in report.findings}


def retold(papers: Papers, change: Retold, evidence: Callable[[Evidence], Evidence] = lambda one: one) -> Papers:
    """The bundle that the same host makes of another journal, its claim derived and everything sealed anew."""
    entries, trust = papers
    told, _ = certificate_of(entries)
    before = [decode(line, Entry) for line in entries[bundle.JOURNAL].splitlines()]
    lines = chain(change([(one.at, one.event) for one in before]))
    after = [decode(line, Entry) for line in lines]
    checks = tuple(one.event.check for one in after if isinstance(one.event, Checked))
    records = tuple(one.event.record for one in after if isinstance(one.event, Recorded))
    seen = evidence(replace(told.evidence, records=records, checks=checks))
    binding = replace(told.binding, journal_entries=len(lines), journal_head=digest(lines[-1]))
    claim = claims.claim(seen, told.claim.ordered, told.claim.rule_book)
    lie: Certificate = replace(told, evidence=seen, binding=binding, claim=claim)
    sealed = world.seal(lie, world.host(), EXECUTOR)
    return entries | {bundle.JOURNAL: journal_bytes(lines), bundle.CERTIFICATE: sealed}, trust


def test_the_certificate_is_proven_and_tells_what_was_looked_for(papers: Papers) -> None:
    """Contents, names and history: nothing of them was found anywhere, by samples of each."""
    entries, trust = papers
    told, _ = certificate_of(entries)
    (hunt,) = (check for check in told.evidence.checks if isinstance(check, ResidueHunt))
    (taken,) = (record for record in told.evidence.records if isinstance(record, NeedlesRecord))
    assert (hunt.hits, hunt.unread_size, hunt.size) == ((), 0, 24 << 20)
    assert taken.storage_size == hunt.size
    assert (hunt.needles, hunt.names) == (taken.needles, taken.names)
    assert hunt.needles >= len(NAMES) - 1
    assert hunt.names >= len(NAMES)
    assert is_proven(entries, trust)


def test_nothing_in_the_bundle_tells_what_was_sampled(papers: Papers) -> None:
    """Labels alone: who has the selector can open them, and nobody else."""
    whole = b"".join(papers[0].values())
    assert not any(secret(number)[:28] in whole or secret(number)[:12].hex().encode() in whole for number in range(40))
    assert not any(name.encode() in whole for name in NAMES)


def test_nothing_of_the_samples_is_kept_once_the_run_has_its_certificate(papers: Papers) -> None:
    """They were one more copy of what was to go."""
    told, _ = certificate_of(papers[0])
    assert told.binding.selector is not None
    name = told.binding.selector.removeprefix("sha256:")
    assert [path for place in ("/dev/shm", "/run") for path in Path(place).glob(f"expunge/{name}*")] == []


def test_the_same_told_anew_still_holds(papers: Papers) -> None:
    """Or the lies below would be caught for how they were told."""
    assert is_proven(*retold(papers, lambda events: events))


def without(step: int) -> Retold:
    def change(events: list[Timed]) -> list[Timed]:
        kept = []
        for at, event in events:
            told = getattr(event, "check", None) or getattr(event, "record", None) or event
            if getattr(told, "step", None) != step or not isinstance(event, Began | Checked | Recorded):
                kept.append((at, event))
        return kept

    return change


def steps_of(papers: Papers) -> tuple[int, int]:
    """Numbers of the hunt and of the fill."""
    evidence = certificate_of(papers[0])[0].evidence
    hunt = next(check.step for check in evidence.checks if isinstance(check, ResidueHunt))
    return hunt, next(record.step for record in evidence.records if isinstance(record, FillRecord))


def test_a_hunt_taken_out_of_journal_and_certificate_is_caught(papers: Papers) -> None:
    """It found something, and was better never made."""
    verdict, why = judged(*retold(papers, without(steps_of(papers)[0])))
    assert (verdict, why) == (Verdict.DOES_NOT_HOLD, {"records-contradict"})


def test_a_fill_taken_out_is_caught(papers: Papers) -> None:
    """A gap among the steps, which nothing explains."""
    verdict, why = judged(*retold(papers, without(steps_of(papers)[1])))
    assert verdict is Verdict.DOES_NOT_HOLD
    assert "records-contradict" in why


def test_a_fill_that_lacked_something_and_is_told_as_complete_is_caught(papers: Papers) -> None:
    """Blocks that no file could be given are blocks that hold what they held."""

    def change(events: list[Timed]) -> list[Timed]:
        return [
            (at, replace(event, record=replace(event.record, unreached=4096)))
            if isinstance(event, Recorded) and isinstance(event.record, FillRecord)
            else (at, event)
            for at, event in events
        ]

    assert judged(*retold(papers, change)) == (Verdict.DOES_NOT_HOLD, {"records-contradict"})


@pytest.mark.parametrize("field", ["needles", "hits", "located"])
def test_a_hunt_told_otherwise_than_its_lists_is_caught(field: str, papers: Papers) -> None:
    """Fewer samples, finds without a list, a list that is in no bundle."""
    lies: dict[str, object] = {
        "needles": 1,
        "hits": (Hits("contents", "free", 3),),
        "located": digest(b"a list of finds"),
    }

    def change(events: list[Timed]) -> list[Timed]:
        return [
            (at, replace(event, check=replace(event.check, **{field: lies[field]})))  # type: ignore[arg-type]
            if isinstance(event, Checked) and isinstance(event.check, ResidueHunt)
            else (at, event)
            for at, event in events
        ]

    assert judged(*retold(papers, change))[0] is Verdict.DOES_NOT_HOLD


def test_a_certificate_that_forgets_the_hunt_of_its_journal_is_caught(papers: Papers) -> None:
    """The evidence is what the journal tells, and nothing less."""

    def forget(seen: Evidence) -> Evidence:
        return replace(seen, checks=tuple(one for one in seen.checks if not isinstance(one, ResidueHunt)))

    verdict, why = judged(*retold(papers, lambda events: events, forget))
    assert verdict is Verdict.DOES_NOT_HOLD
    assert "journal-broken" in why


def test_the_journal_ends_as_it_must(papers: Papers) -> None:
    """These tests change journals by their events; the last is the conclusion."""
    last = decode(papers[0][bundle.JOURNAL].splitlines()[-1], Entry)
    assert isinstance(last.event, Concluded)
