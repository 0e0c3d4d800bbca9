"""Pages for people: honest titles, nothing executed, nothing fetched, both languages complete."""

from __future__ import annotations

import re
import typing
from dataclasses import replace
from datetime import timedelta, timezone
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest

from certificates import bundle
from certificates.errors import Untrusted
from certificates.render.checks import command, tell_record
from certificates.render.documents import show_document
from certificates.render.html import render_html
from certificates.render.page import Page, page_of
from certificates.render.picture import marks_of, speeds
from certificates.render.text import pad, render_text, width
from certificates.render.words import WORDS, Language, share
from certificates.statements import (
    Certificate,
    Chassis,
    ConstantPattern,
    DeviceIdentity,
    Extent,
    Fact,
    Failure,
    Grade,
    HostKey,
    Level,
    Media,
    Method,
    Otherwise,
    Outcome,
    OverwriteRecord,
    PaperApproval,
    RepeatedPattern,
    ResidualCode,
    Role,
    Secrecy,
)
from tests.support import world
from tests.support.story import sampled, story, tell

LOST = (Failure(Extent(0, 512 << 30, 4096), "EIO"),)
EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;'"
LANGUAGES: tuple[Language, ...] = ("en", "zh")


@cache
def page(**changes: Any) -> Page:
    return page_of(tell(story(**changes)).entries)


def not_proven() -> Page:
    return page(failures=LOST, unread=LOST, differs=(Extent(0, 900 << 30, 1 << 30),), registered=False, decision=None)


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


# -------------------------------------------------------------------------------------------------------- title


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_a_proven_claim_is_titled_a_certificate(language: Language) -> None:
    """Whatever else is on the page, the title is what gets filed."""
    proven, other = WORDS["title.certificate"], WORDS["title.record"]
    place = LANGUAGES.index(language)
    for made in (render_text(page(), language), render_html(page(), (language,))):
        assert proven[place] in made
        assert other[place] not in made
    for told in (not_proven(), page(unread=LOST)):
        for made in (render_text(told, language), render_html(told, (language,))):
            assert other[place] in made
            assert proven[place] not in made


def test_the_three_signs_differ_in_shape() -> None:
    """Nothing is said by colour alone."""
    assert render_text(page()).splitlines()[3].startswith("●")
    assert render_text(not_proven()).splitlines()[3].startswith("▲")
    assert render_text(page(unread=LOST)).splitlines()[3].startswith("○")


def test_a_boast_is_not_rendered() -> None:
    """A page must not look better than what it stands on."""

    def boast(told: Certificate) -> Certificate:
        return replace(told, claim=replace(told.claim, outcome=Outcome.PROVEN, level=Level.CLEAR, reasons=()))

    with pytest.raises(Untrusted, match="supports"):
        page(failures=LOST, certified=boast)


def test_a_forged_signature_is_not_rendered() -> None:
    """Nor does a page show a signature that does not hold."""
    entries = dict(tell(story()).entries)
    entries[bundle.CERTIFICATE] = entries[bundle.CERTIFICATE].replace(b'"sig":"', b'"sig":"AAAA', 1)
    with pytest.raises(Untrusted):
        page_of(entries)


# ------------------------------------------------------------------------------------------------------- content


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_page_says_what_a_certificate_of_sanitization_must(language: Language) -> None:
    """NIST SP 800-88 r2, appendix C, and what the Chinese rules add."""
    text = render_text(page(), language)
    told = page().told
    for fact in (
        told.medium.manufacturer,
        told.medium.model,
        told.medium.serial,
        "ZC-2019-00431-D1",
        "CN-0F7GT2-74261",
        "random-1",
        "NIST SP 800-88 r2",
        "expunge 0.1.0",
        "1,000,204,886,016",
        "财资处〔2026〕31号",
        "第 14 次馆务会",
        "12330100470100000X",
        *(participant.name for participant in told.participants),
        "registry.example/expunge",
        page().certificate.digest,
        "openssl enc -aes-256-ctr -K",
    ):
        assert fact in text, fact


def test_who_has_not_signed_is_shown() -> None:
    """An empty line under a name is easily overlooked."""
    text = render_text(page(signers=("P-0230", "P-0311")))
    assert "missing: P-0729" in text
    assert "○ Signatures" in text


@pytest.mark.parametrize("decision", ["accept", "reject"])
def test_the_validators_word_is_shown_beside_the_verdict(decision: str) -> None:
    """The tool never approves itself."""
    assert f"{decision}ed by P-0640" in render_text(page(decision=decision))


def test_times_are_shown_in_the_readers_zone() -> None:
    """With the zone, always."""
    shanghai = timezone(timedelta(hours=8))
    assert "2026-11-20 18:02:12 +08:00" in render_text(page(), "zh", shanghai)
    assert "2026-11-20 10:02:12 UTC" in render_text(page(), "zh")


def test_a_sample_is_told_with_its_confidence() -> None:
    """And with what it assumes."""
    carrier = world.carrier(verification=sampled())
    text = render_text(page(order=world.order(carriers=(carrier,))))
    assert "with confidence 99 % at most a fraction 1 %" in text
    assert "independently of the positions" in text


def test_a_repeated_pass_has_its_own_command_and_words() -> None:
    """Its bytes in octal for any shell's printf; the format is used again for each of many arguments."""
    evidence = page().told.evidence
    record = evidence.records[0]
    assert isinstance(record, OverwriteRecord)
    record = replace(record, pattern=RepeatedPattern("924924"))
    loop = r"while printf '\222\111\044%.0s' $(seq 9999); do :; done | cmp -n 1000204886016 - TARGET"
    assert command(replace(evidence, records=(record,))) == loop
    assert "92 49 24 (hex), repeated" in tell_record(record, "en")
    assert "92 49 24" in tell_record(record, "zh")


@pytest.mark.parametrize(
    ("byte", "expected"),
    [
        ("00", "cmp -n 1000204886016 /dev/zero TARGET"),
        ("ff", r"tr '\0' '\377' </dev/zero | cmp -n 1000204886016 - TARGET"),
    ],
)
def test_a_constant_pass_has_its_own_command(byte: str, expected: str) -> None:
    """The exact line, to be copied."""
    evidence = page().told.evidence
    record = evidence.records[0]
    assert isinstance(record, OverwriteRecord)
    record = replace(record, pattern=ConstantPattern(byte))
    assert command(replace(evidence, records=(record,))) == expected


def test_what_lies_below_a_file_system_has_no_command() -> None:
    """There is no device to name."""
    assert command(replace(page().told.evidence, kind="files")) is None


# ---------------------------------------------------------------------------------------------------------- words


ENUMS: dict[str, Any] = {
    "level": Level,
    "media": Media,
    "method": Method,
    "grade": Grade,
    "secrecy": Secrecy,
    "role": Role,
    "outcome": Outcome,
}


@pytest.mark.parametrize("group", ENUMS)
def test_every_word_of_the_vocabulary_has_a_term(group: str) -> None:
    """A code on a certificate is a hole in the page."""
    assert [member.value for member in ENUMS[group] if f"{group}.{member.value}" not in WORDS] == []


def test_every_residual_and_every_reason_of_the_rule_book_has_a_term() -> None:
    """Read from the source, so that a new reason cannot come without words."""
    from tests.support.house_rules import ROOT

    source = (ROOT / "certificates" / "claims.py").read_text(encoding="utf-8")
    reasons = set(re.findall(r'Reason\(\s*"([a-z-]+)"', source))
    assert len(reasons) > 10
    assert [code for code in sorted(reasons) if f"reason.{code}" not in WORDS] == []
    assert [code for code in typing.get_args(ResidualCode) if f"residual.{code}" not in WORDS] == []


def test_both_languages_name_the_same_facts() -> None:
    """A fact that one language drops is a fact that its reader never learns."""
    marks = re.compile(r"{(\w+)}")
    assert [key for key, (en, zh) in WORDS.items() if set(marks.findall(en)) != set(marks.findall(zh))] == []


def test_shares_are_shown_without_empty_digits() -> None:
    """99 %, not 99.0000 %."""
    assert [share(ppm) for ppm in (990_000, 999_999, 1, 50_000)] == ["99 %", "99.9999 %", "0.0001 %", "5 %"]


def test_columns_count_wide_characters_twice() -> None:
    """Chinese labels line up with Latin ones."""
    assert (width("载体 C-1"), pad("载体", 6) + "|", pad("too long", 3)) == (8, "载体  |", "too long")


# ----------------------------------------------------------------------------------------------------------- html


@cache
def nasty() -> str:
    """A certificate whose every free text tries to break out."""
    text = EVIL[:64]
    people = tuple(replace(one, name=text, title=text, unit=text, contact=text) for one in world.keyring().persons)
    ring = world.keyring(persons=people, hosts=(HostKey(text, world.public(world.host())),))
    identity = DeviceIdentity(text, text, text, None, 1 << 20)
    paper = PaperApproval(text, text, text, "2026-11-16", "sha256:" + "5c" * 32)
    made = world.order(
        persons=tuple(world.role_of(name) for name in ("P-0101", "P-0811", "P-0812", "P-0102")),
        paper=paper,
        reason=text,
        unit=replace(world.order().unit, name=text, superior=text),
        place=text,
        assets=(replace(world.ASSET, name=text),),
        approval=replace(world.order().approval, number=text, organ=text),
        decision=replace(world.order().decision, meeting=text, organ=text),
        carriers=(
            world.carrier(identity=identity, chassis=Chassis(text, text), otherwise=Otherwise("hand-over", text)),
        ),
    )

    def certified(told: Certificate) -> Certificate:
        parts = tuple(replace(one, name=text, title=text, unit=text, contact=text) for one in told.participants)
        medium = replace(told.medium, host_name=text, facts=(Fact("bus", text),))
        applied = replace(told.applied, name=text, citation=text, tool=text, tool_version=text)
        return replace(
            told,
            participants=parts,
            medium=medium,
            limits=(text,),
            applied=applied,
            paper=", ".join((text,) * 3 + (paper.date,)),
        )

    return render_html(page(ring=ring, order=made, certified=certified))


def test_no_page_is_made_of_a_journal_that_tells_another_story() -> None:
    """A page says proven; nothing behind it may say otherwise."""
    papers = tell(story(journaled=lambda events: [events[0], *events]))
    with pytest.raises(Untrusted, match="journal"):
        page_of(papers.entries)


def test_no_text_in_a_document_becomes_markup() -> None:
    """Names come from strangers; a reviewer's browser must only show them."""
    tags = Tags(nasty()).found
    assert not {tag for tag, _ in tags} & {"script", "img", "iframe", "object", "embed", "link", "base", "form"}
    assert [name for _, attributes in tags for name in attributes if name.startswith("on")] == []
    assert nasty().count("&lt;script&gt;") > 20


def test_no_mark_in_a_text_turns_a_line_of_the_page_round() -> None:
    """A label that reads backwards would name another carrier."""
    turned = world.order(place="3\N{RIGHT-TO-LEFT OVERRIDE}1 号机房", reason="\x9b31m")
    made = render_html(page(order=turned))
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in made
    assert "\x9b" not in made


def test_the_page_fetches_nothing() -> None:
    """It is read offline, years later, and tells nobody that it was opened."""
    for made in (nasty(), render_html(not_proven())):
        for _, attributes in Tags(made).found:
            assert not {"src", "href", "srcset", "action", "data"} & set(attributes)
        assert "default-src 'none'" in made
        for address in re.findall(r"https?://[^\s\"'<]*", made):
            assert address in ("http://www.w3.org/2000/svg",)
        assert "@import" not in made
        assert "url(" not in re.sub(r"url\(#p-[a-z]+\)", "", made)


def test_the_readers_language_comes_first() -> None:
    """And the other follows in the same file."""
    for languages in (("zh", "en"), ("en", "zh")):
        made = render_html(page(), typing.cast(Any, languages))
        places = [made.index(f"<h1>{WORDS['title.certificate'][LANGUAGES.index(one)]}") for one in languages]
        assert places == sorted(places)
    assert Tags(render_html(page(), ("en",))).found[0] == ("html", {"lang": "en"})


def test_the_second_page_holds_everything_raw() -> None:
    """A reviewer finds the sealed content itself, and every digest."""
    made = render_html(page())
    binding = page().told.binding
    for value in (binding.order, binding.start, binding.plan, binding.journal_head, binding.ledger_head):
        assert value in made
    assert "&quot;rule_book&quot;: &quot;expunge-rules-1&quot;" in made


def test_the_map_shows_where_something_was_not_reached() -> None:
    """By place, and in shapes that differ."""
    kinds = {mark.kind: round(mark.begin, 3) for mark in marks_of(not_proven().told.evidence)}
    assert kinds == {"not_written": 0.55, "unread": 0.55, "differs": 0.966}
    assert marks_of(page().told.evidence) == []
    made = render_html(not_proven(), ("en",))
    assert all(f'class="m-{kind}"' in made for kind in kinds)


def test_amounts_are_drawn_where_many_objects_share_no_place() -> None:
    """Files lie anywhere; the bar then shows shares."""
    evidence = replace(not_proven().told.evidence, objects=7)
    assert sum(mark.length for mark in marks_of(evidence)) == pytest.approx(2**30 / 1_000_204_886_016, rel=0.01)


def test_speed_is_read_from_the_journals_barriers() -> None:
    """A drive that slows down shows it."""
    found = speeds(page().journal)
    assert len(found) == 23
    assert found[0][1] > found[-1][1] > 5e7
    assert found[-1][0] == 1_000_204_886_016


# ------------------------------------------------------------------------------------------------------ documents


@pytest.mark.parametrize("name", [*tell(story()).entries])
def test_every_document_of_a_bundle_can_be_shown(name: str) -> None:
    """In a form that people can read, without a control character."""
    text = show_document(tell(story()).entries[name], "en")
    assert len(text) > 100
    assert text.replace("\n", "").isprintable()


def test_a_bundle_is_shown_as_its_certificate() -> None:
    """The one command that a reviewer tries first."""
    assert show_document(tell(story()).packed, "zh").startswith("数据销毁证书")


@pytest.mark.parametrize("data", [b"", b"[]", b"hello", b"PK\x03\x04", b'{"payloadType":"x"}', b'{"a":1.5}'])
def test_what_is_no_document_of_ours_is_not_shown(data: bytes) -> None:
    """An error that says so, never a traceback."""
    with pytest.raises(Untrusted):
        show_document(data, "en")
