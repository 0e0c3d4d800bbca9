"""Speed, what failed where, and what befell a run on its way, on the page and in the text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from certificates.render.html import render_html
from certificates.render.page import Page, page_of
from certificates.render.picture import draw_speed, marks_of, of_bins
from certificates.render.text import render_text
from certificates.statements import (
    Advanced,
    Certificate,
    Extent,
    Failure,
    OverwriteRecord,
    Recorded,
    Reproved,
    Resumed,
    Revisited,
)
from tests.certificates.test_audit_profiles import BIN, BINS, SIZE, papers, profile
from tests.certificates.test_audit_stratified import papers as sampled_papers
from tests.support.story import Timed, story, tell


def page() -> Page:
    """A pass and its read-back, both measured."""
    return page_of(papers(profile(), profile(1)).entries)


def test_the_profile_is_drawn_instead_of_the_barriers() -> None:
    """Each act a line of its own that differs in kind; one scale."""
    made = render_html(page(), ("en",))
    assert made.count("<polyline") == 2
    assert made.count("stroke-dasharray") == 1
    assert "written at 26 MB/s (25 to 28); read back at 26 MB/s (25 to 28)" in made
    assert render_html(page_of(tell(story()).entries), ("en",)).count("<polyline") == 1


@pytest.mark.parametrize(
    ("language", "says"), [("en", "written at 26 MB/s (25 to 28)"), ("zh", "写入 26 MB/s（25 至 28）")]
)
def test_the_text_has_slowest_average_and_fastest(language: Any, says: str) -> None:
    """A drive on its way out is seen there first."""
    assert says in render_text(page(), language)


def test_the_last_pass_is_the_one_shown() -> None:
    """Of many, the page shows what the medium did last."""
    shown = replace(page(), profiles=(profile(), replace(profile(), step=3), profile(4))).speeds
    assert [one.step for one in shown] == [3, 4]


def test_what_was_not_measured_is_left_out_of_the_line() -> None:
    """Of a resumed run only the last part was: the line begins there."""
    half = (0, 0, 0, *profile().moved[3:])
    points = of_bins(profile(moved=half, microseconds=(0, 0, 0, *profile().microseconds[3:]), measured_from=3 * BIN))
    assert points[0][0] == pytest.approx(3 * BIN / SIZE)
    assert len(points) == 2 * (BINS - 3)
    assert draw_speed((), (profile(moved=(0,) * BINS, microseconds=(0,) * BINS),), "en") == ""


def test_failures_of_many_objects_are_drawn_where_the_profile_has_them() -> None:
    """Without it the bar could only show how much."""
    evidence = replace(page().told.evidence, objects=7)
    lost = (Failure(Extent(4, 0, 4096), "EIO"),)
    (record,) = evidence.records
    assert isinstance(record, OverwriteRecord)
    evidence = replace(evidence, records=(replace(record, failures=lost),))
    failed = profile(failed=(0, 0, 0, 4096, 0, 0, 0))
    (mark,) = marks_of(evidence, (failed,))
    assert mark.kind == "not_written"
    assert mark.begin == pytest.approx(3 * BIN / SIZE)
    (without,) = marks_of(evidence)
    assert without.begin == pytest.approx(1.0)


def test_what_befell_the_run_is_told() -> None:
    """Read again after a stop, and tried again where it had failed."""

    def journaled(events: list[Timed]) -> list[Timed]:
        at = next(n for n, (_, event) in enumerate(events) if isinstance(event, Recorded))
        when = events[at][0]
        made = [_resumed(event) for event in events]
        advanced = made[at - 1][1]
        assert isinstance(advanced, Advanced)
        position = advanced.position
        more: list[Timed] = [(when, Resumed(())), (when, Reproved(0, position, 30, 0)), (when, Revisited(0))]
        return [*made[:at], *more, *made[at:]]

    def _resumed(timed: Timed) -> Timed:
        at, event = timed
        if isinstance(event, Recorded) and isinstance(event.record, OverwriteRecord):
            event = Recorded(replace(event.record, resumed=1))
        return at, event

    def certified(told: Certificate) -> Certificate:
        (record,) = told.evidence.records
        assert isinstance(record, OverwriteRecord)
        return replace(told, evidence=replace(told.evidence, records=(replace(record, resumed=1),)))

    made = page_of(tell(story(journaled=journaled, certified=certified)).entries)
    text = render_text(made)
    assert "30 blocks written before were read again, 0 of them differed" in text
    assert "tried again: 0 bytes still failed" in text
    assert "复读此前写入的 30 块" in render_text(made, "zh")


@pytest.mark.parametrize("raw", [True, False])
def test_a_stratified_sample_is_told_with_sections_anchors_and_bytes(raw: bool) -> None:
    """And whether the bundle has what was read."""
    text = render_text(page_of(sampled_papers(raw=raw).entries))
    assert "from each of 1,000 sections" in text
    assert "beside the sample" in text
    assert ("Their bytes are in the bundle" in text) == raw
    assert ("their digest alone" in text) != raw
