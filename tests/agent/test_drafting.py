"""A clerk's TOML becomes the order that was meant, or every fault is named at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.drafting import Means, Measured, draft
from agent.schemes import read_scheme
from certificates.encoding import decode, digest, encode
from certificates.errors import Refused
from certificates.selectors import commitment
from certificates.statements import (
    FilesIdentity,
    FilesSelector,
    LuksSelector,
    NamesFile,
    Order,
    SampledVerification,
    Selector,
)
from tests.support.screens import EXAMPLES, Desk, desk, invoke, tree

HOST = "sha256:" + "ab" * 32
MEANS = Means({"arch-07": HOST}, lambda size: bytes(range(size)))


def edited(tmp_path: Path, *changes: tuple[str, str], name: str = "order.toml") -> Path:
    (tmp_path / "minutes.txt").write_text("minutes")
    return Desk(tmp_path).edit(name, *changes)


def faults(tmp_path: Path, *changes: tuple[str, str], means: Means = MEANS, name: str = "order.toml") -> str:
    with pytest.raises(Refused) as caught:
        draft(edited(tmp_path, *changes, name=name), means)
    assert caught.value.reason == "draft-wrong"
    return str(caught.value.facts["faults"])


@pytest.mark.parametrize("name", ["order.toml", "device-order.toml"])
def test_the_examples_can_be_drafted(name: str) -> None:
    """What people begin with must work."""
    made = draft(EXAMPLES / name, MEANS)
    assert decode(encode(made.order), Order) == made.order


def test_host_names_are_looked_up() -> None:
    """The order holds host ids: a name could be given to another machine."""
    assert {carrier.hosts for carrier in draft(EXAMPLES / "order.toml", MEANS).order.carriers} == {(HOST,)}


def test_an_attachment_is_bound_by_its_digest(tmp_path: Path) -> None:
    """The minutes stay in their folder."""
    import hashlib

    made = draft(edited(tmp_path), MEANS)
    assert made.order.decision.minutes == "sha256:" + hashlib.sha256(b"minutes").hexdigest()


def test_money_is_written_with_its_decimals() -> None:
    """12345 could be yuan or fen; "12345.00" cannot."""
    assert draft(EXAMPLES / "order.toml", MEANS).order.assets[0].book_value == 12_800_000


@pytest.mark.parametrize("amount", ["128000", '"128000"', '"128000.0"', '"-1.00"', '"1e3.00"', '"１２.00"', "1.5"])
def test_an_amount_that_could_be_misread_is_refused(tmp_path: Path, amount: str) -> None:
    """An approver's authority is held against it."""
    assert "assets[ZC-2019-00431].book_value must be an amount" in faults(tmp_path, ('"128000.00"', amount))


def test_a_sample_is_ordered_in_per_cent() -> None:
    """The statement counts in parts per million, people do not."""
    verification = draft(EXAMPLES / "order.toml", MEANS).order.carriers[1].verification
    assert verification == SampledVerification(990_000, 1_000)


@pytest.mark.parametrize("wrong", ['"99"', "99", '"99.99999 %"', '" %"', '"-1 %"'])
def test_a_percentage_that_is_none_is_refused(tmp_path: Path, wrong: str) -> None:
    """Rather than read as another sample."""
    assert "carriers[image-1].verification" in faults(tmp_path, ('"99 %"', wrong))


def test_selectors_stay_beside_the_order() -> None:
    """The order holds their salted hash, their count and their size, and not one path."""
    made = draft(EXAMPLES / "order.toml", MEANS)
    bound = {carrier.id: carrier.selector for carrier in made.order.carriers}
    assert [selector.carrier for selector in made.selectors] == ["files-1", "image-1", "luks-1", "db-1"]
    for selector in made.selectors:
        told = bound[selector.carrier]
        assert told is not None
        assert told.commitment == commitment(selector)
    assert b"/srv" not in encode(made.order)
    assert (bound["files-1"].count, bound["files-1"].size) == (1200, 734_003_200)  # type: ignore[union-attr]
    assert isinstance(made.selectors[0].selects, FilesSelector)
    assert isinstance(made.selectors[2].selects, LuksSelector)


@pytest.mark.parametrize("key", ["list", "manifest"])
def test_more_names_than_an_order_holds_lie_in_a_file_bound_by_its_digest(tmp_path: Path, key: str) -> None:
    """A million names do not fit a document that people sign; the digest of a file that holds them does."""
    line = "2009/1.tif" if key == "list" else f"{'0' * 64}  2009/1.tif"
    (tmp_path / "names.txt").write_text(f"{line}\n", encoding="utf-8")
    path = edited(tmp_path, ('names = ["2009", "2010", "2011"]', f'{key} = "names.txt"'))
    selects = draft(path, MEANS).selectors[0].selects
    assert isinstance(selects, FilesSelector)
    assert selects.names == ()
    assert getattr(selects, key) == NamesFile(str(tmp_path / "names.txt"), digest(f"{line}\n".encode()))


def test_two_drafts_of_one_file_have_different_commitments() -> None:
    """Without fresh salt a commitment could be guessed from the path."""
    import os

    first, second = (draft(EXAMPLES / "order.toml", Means({"arch-07": HOST}, os.urandom)) for _ in range(2))
    assert first.order.carriers[0].selector != second.order.carriers[0].selector


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    """One at a time makes a morning of ten attempts."""
    told = faults(
        tmp_path,
        ('validator = "P-0150"', 'validater = "P-0150"'),
        ("expires_at = 2026-12-20T18:00:00+08:00", "expires_at = 2026-12-20T18:00:00"),
        ("most_count = 1200", 'most_count = "many"'),
        ('grade = "important"', 'grade = "secret"'),
        ("minutes.txt", "nothing.txt"),
        ("date = 2026-11-05", "date = 2026-11-05T00:00:00"),
        ('hosts = ["arch-07"]', 'hosts = ["nowhere"]'),
    )
    for expected in (
        "validater is not known here; did you mean validator?",
        "validator is missing: an identifier",
        "expires_at must be a time with its zone",
        "carriers[files-1].identity.most_count must be a whole number",
        "assets[ZC-2019-00431].grade must be one of core, important, general",
        "decision.minutes must be sha256:... or a file that can be read",
        "appraisal.date must be a day",
        "carriers[files-1].hosts names nowhere",
    ):
        assert expected in told
    assert len(told.splitlines()) == len(set(told.splitlines()))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("[unit]", "[[unit]]"), "unit"),
        (("[[assets]]", "[assets]"), "assets must be a list of tables"),
        (('kind = "files"', 'kind = "folder"'), "carriers[files-1].identity.kind must be one of"),
        (('verification = "full"', 'verification = "all"'), 'must be "full" or'),
        (('root = "/srv/scans"', 'root = "srv/scans"'), "must be an absolute path"),
        (('names = ["2009", "2010", "2011"]', "names = []"), "carriers[files-1].selects selects nothing: give names,"),
        (('names = ["2009", "2010", "2011"]', 'list = "none"'), "carriers[files-1].selects.list must be a file that"),
        (('names = ["2009", "2010", "2011"]', 'globs = ["../x"]'), "selects.globs[1] must be relative to the root"),
        (("names = [", 'manifest = "minutes.txt"\nnames = ['), "selects.manifest stands alone"),
        (("names = [", 'manifest = "minutes.txt"\nnames = ['), "line 1 is not as sha256sum writes it"),
        (("size = 52428800 ", "# size "), "carriers[db-1].selects.size is missing"),
        (("witnesses = [", "witnesses = 3 #"), "witnesses must be a list"),
        (('id = "2026-0117"', 'id = "2026 0117"'), "id must be an identifier"),
        (('id = "2026-0117"', "id = 2026-01-17"), "id must be an identifier"),
    ],
)
def test_a_fault_names_its_key_and_what_is_expected(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    """A clerk has no schema at hand."""
    assert expected in faults(tmp_path, change)


def test_what_is_no_toml_is_told_by_line(tmp_path: Path) -> None:
    """The parser knows where it stopped."""
    assert "line 5" in faults(tmp_path, ('id = "2026-0117"', "id = = 1"))


def test_a_device_takes_no_selector(tmp_path: Path) -> None:
    """It is found by its identity."""
    told = faults(
        tmp_path,
        ("[carriers.identity]", "[carriers.selects]\npath = '/x'\n[carriers.identity]"),
        name="device-order.toml",
    )
    assert "does not go with this kind of carrier" in told


def test_an_order_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    """Before anybody signs it, not on the day of its execution."""
    with pytest.raises(Refused) as caught:
        draft(edited(tmp_path, ('validator = "P-0150"', 'validator = "P-0230"')), MEANS)
    assert caught.value.reason == "roles-not-distinct"


def test_measured_facts_fill_gaps_and_never_overrule_what_is_written(tmp_path: Path) -> None:
    """A clerk's number is a limit that somebody decided."""

    def measure(identity: dict[str, Any], selects: dict[str, Any], carrier: str) -> Measured:
        is_files = identity["kind"] == "files"
        return Measured({"parent_inode": 8, "most_count": 9999} if is_files else {}, 77, 300)

    path = edited(tmp_path, ("parent_inode = 131074 ", "# "))
    (carrier, *_) = draft(path, Means(MEANS.hosts, MEANS.entropy, measure)).order.carriers
    assert isinstance(carrier.identity, FilesIdentity)
    assert (carrier.identity.parent_inode, carrier.identity.most_count) == (8, 1200)
    assert carrier.selector is not None
    assert (carrier.selector.count, carrier.selector.size) == (77, 300)


def test_a_superseded_order_may_be_named_by_its_file(tmp_path: Path) -> None:
    """Nobody types a digest without a slip."""
    made = desk(tmp_path)
    first = tree("order", "draft", tmp_path / "device-order.toml", "-o", tmp_path / "o.json", "--keyring", made.keyring)
    path = made.edit("device-order.toml", ('id = "2026-0118"', 'id = "2026-0119"\nsupersedes = "o.json"'))
    second = draft(path, MEANS)
    assert second.order.supersedes == first["digest"]


def test_the_command_writes_order_and_private_selectors(tmp_path: Path) -> None:
    """Readable by others: the order. By their owner alone: the selectors."""
    made = desk(tmp_path)
    told = tree("order", "draft", tmp_path / "order.toml", "-o", tmp_path / "o.json", "--keyring", made.keyring)
    assert len(told["selectors"]) == 4
    for name in told["selectors"]:
        path = Path(name)
        assert path.stat().st_mode & 0o777 == 0o600
        assert encode(decode(path.read_bytes(), Selector)) == path.read_bytes()


def test_the_command_writes_nothing_where_one_file_stands_in_the_way(tmp_path: Path) -> None:
    """Half an order would be signed by somebody."""
    made = desk(tmp_path)
    (tmp_path / "db-1.selector.json").touch()
    result = invoke("order", "draft", tmp_path / "order.toml", "-o", tmp_path / "o.json", "--keyring", made.keyring)
    assert result.exit_code == 3
    assert not (tmp_path / "o.json").exists()
    assert not (tmp_path / "files-1.selector.json").exists()


def test_a_technique_or_policy_that_is_none_is_a_fault_of_the_draft(tmp_path: Path) -> None:
    """On the host it would be found only after everybody has signed."""
    told = faults(tmp_path, ('"random-1"', '"randon-1"\npolicy = "house rules"'), name="device-order.toml")
    assert "carriers[disk-1].technique names randon-1, which is not known here; did you mean random-1?" in told
    assert "carriers[disk-1].policy names house rules, which is not known here; known are nist-800-88-r2" in told


@pytest.mark.parametrize("text", [b"a = " + b"[" * 20_000, b"\xff\xfe", b"a = '\x00'"], ids=["deep", "binary", "nul"])
def test_what_is_no_toml_is_told_as_such(tmp_path: Path, text: bytes) -> None:
    """Whatever file somebody names: never a traceback."""
    (tmp_path / "order.toml").write_bytes(text)
    for read in (lambda: draft(tmp_path / "order.toml", MEANS), lambda: read_scheme(tmp_path / "order.toml")):
        with pytest.raises(Refused) as refused:
            read()
        assert refused.value.reason == "draft-wrong"
