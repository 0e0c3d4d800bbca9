"""Two drawings for the page, as inline SVG: the map of the medium, and how fast the passes went; no colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from certificates.render.words import Language, number, say, term
from certificates.statements import (
    Advanced,
    Entry,
    Evidence,
    Extent,
    FullReadBack,
    OverwriteRecord,
    Recorded,
    SampledReadBack,
    SpeedProfile,
)

WIDTH, HEIGHT = 1000, 26
_FEWEST_POINTS = 4
_MOST_MARKS = 400


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of the medium that is not as the rest."""

    kind: str
    """`not_written`, `differs` or `unread`."""
    begin: float
    """Share of the size, 0 to 1."""
    length: float


def draw_map(evidence: Evidence, profiles: Sequence[SpeedProfile], language: Language) -> str:
    """Return the medium as a bar: what matches, what was sampled, and every part that was not reached."""
    sampled = any(isinstance(check, SampledReadBack) for check in evidence.checks)
    base = "sampled" if sampled else "matched" if evidence.checks else "written"
    marks = marks_of(evidence, profiles)[:_MOST_MARKS]
    bars = [f'<rect x="0" y="0" width="{WIDTH}" height="{HEIGHT}" class="m-{base}"/>']
    for mark in marks:
        x, length = mark.begin * WIDTH, max(mark.length * WIDTH, 3)
        bars.append(
            f'<rect x="{min(x, WIDTH - 3):.2f}" y="0" width="{length:.2f}" height="{HEIGHT}" class="m-{mark.kind}"/>'
        )
    label = say("label.map", language)
    drawing = (
        f'<svg class="map" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f"<defs>{_PATTERNS}</defs>{''.join(bars)}</svg>"
    )
    kinds = dict.fromkeys([base, *(mark.kind for mark in marks)])
    legend = "".join(
        f'<span class="key"><svg width="14" height="10"><rect width="14" height="10" class="m-{kind}"/></svg>'
        f"{say(f'label.{kind}', language)}</span>"
        for kind in kinds
    )
    return f'{drawing}<div class="scale"><span>0</span><span>{legend}</span><span>{number(evidence.size)}</span></div>'


def marks_of(evidence: Evidence, profiles: Sequence[SpeedProfile] = ()) -> list[Mark]:
    """Return what was not written, differs or was not read: by place on one stream, by the bins of profiles on many, by
    amount where there are none."""
    size = max(evidence.size, 1)
    found: dict[str, list[Extent]] = {"not_written": [], "differs": [], "unread": []}
    for record in evidence.records:
        if isinstance(record, OverwriteRecord):
            found["not_written"] += [failure.extent for failure in record.failures]
    for check in evidence.checks:
        if isinstance(check, (FullReadBack, SampledReadBack)):
            found["differs"] += check.mismatched
            found["unread"] += [failure.extent for failure in check.unread]
    if evidence.objects == 1:
        return [Mark(kind, one.offset / size, one.length / size) for kind, extents in found.items() for one in extents]
    marks = [mark for profile in profiles for mark in _of_bins(profile)]
    placed, at = {mark.kind for mark in marks}, 1.0
    for kind, extents in found.items():
        if kind in placed:
            continue
        share = min(sum(one.length for one in extents) / size, 1.0)
        if share:
            at = max(at - share, 0.0)
            marks.append(Mark(kind, at, share))
    return marks


def _of_bins(profile: SpeedProfile) -> Iterator[Mark]:
    """Yield what failed in each bin, told at the bin's beginning: where in it is not known."""
    kind = "not_written" if profile.act == "overwrite" else "unread"
    for at, failed in enumerate(profile.failed):
        if failed:
            yield Mark(kind, at * profile.bin_size / max(profile.size, 1), failed / max(profile.size, 1))


def draw_speed(entries: Iterable[Entry], profiles: Sequence[SpeedProfile], language: Language) -> str:
    """Return speed over position: from profiles where there are any, else from the journal's barriers as a line.

    Nothing where there are too few points to tell.
    """
    lines = [(one.act, of_bins(one)) for one in profiles]
    lines = [(act, points) for act, points in lines if len(points) >= _FEWEST_POINTS]
    if lines:
        most = max(speed for _, points in lines for _, speed in points)
        return _draw_lines(lines, say("speed.lines", language, most=number(int(most / 1e6))), language)
    points = speeds(entries)
    if len(points) < _FEWEST_POINTS:
        return ""
    furthest, rates = max(position for position, _ in points), [speed for _, speed in points]
    ends = [(0.0, points[0][1])]
    ends += [(position / furthest, speed) for position, speed in points]
    scale = f"{say('label.speed', language)} {number(int(min(rates) / 1e6))} - {number(int(max(rates) / 1e6))} MB/s"
    return _draw_lines([("overwrite", ends)], scale, language)


def tell_speed(profile: SpeedProfile, language: Language) -> str:
    """Return slowest, average and fastest of a profile in words."""
    rates = [
        number(int((rate or profile.average or 0) / 1e6))
        for rate in (profile.slowest, profile.average, profile.fastest)
    ]
    return term("speed", profile.act, language, **{f"n{at}": rate for at, rate in enumerate(rates)})


def of_bins(profile: SpeedProfile) -> list[tuple[float, float]]:
    """Return (share of the area, bytes a second) at both ends of each bin that was measured."""
    points: list[tuple[float, float]] = []
    for at, (moved, spent) in enumerate(zip(profile.moved, profile.microseconds, strict=True)):
        if moved and spent:
            ends = (at * profile.bin_size, min((at + 1) * profile.bin_size, profile.size))
            points += [(end / profile.size, moved * 1e6 / spent) for end in ends]
    return points


def _draw_lines(lines: Sequence[tuple[str, list[tuple[float, float]]]], scale: str, language: Language) -> str:
    """Return the lines in one drawing with one scale: what was written filled and whole, what was read dashed."""
    fastest = max(speed for _, points in lines for _, speed in points)
    label, shapes = say("label.speed", language), ""
    for act, points in lines:
        path = " ".join(f"{share * WIDTH:.1f},{60 - speed / fastest * 56:.1f}" for share, speed in points)
        first, last = points[0][0] * WIDTH, points[-1][0] * WIDTH
        if act == "overwrite":
            shapes += f'<polygon points="{first:.1f},60 {path} {last:.1f},60" fill="#eef1f4"/>'
        dashes = "" if act == "overwrite" else ' stroke-dasharray="5 3"'
        shapes += (
            f'<polyline points="{path}" fill="none" stroke="#15181c" stroke-width="1.2"{dashes} '
            f'vector-effect="non-scaling-stroke"/>'
        )
    return (
        f"<h3>{label}</h3><div>"
        f'<svg class="speed" viewBox="0 0 {WIDTH} 60" preserveAspectRatio="none" role="img" aria-label="{scale}">'
        f'{shapes}</svg><div class="scale"><span>{scale}</span></div></div>'
    )


def speeds(entries: Iterable[Entry]) -> list[tuple[int, float]]:
    """Return (position in bytes along all passes, bytes a second) between barriers at least a second apart."""
    barriers: list[tuple[int, float]] = []
    before = last = 0
    for entry in entries:
        event = entry.event
        if isinstance(event, Advanced):
            last = event.position
        elif isinstance(event, Recorded) and isinstance(event.record, OverwriteRecord):
            before, last = before + event.record.size, 0
        else:
            continue
        barriers.append((before + last, entry.at.timestamp()))
    found: list[tuple[int, float]] = []
    for (begin, at), (end, later) in pairwise(_a_second_apart(barriers)):
        if end > begin:
            found.append((end, (end - begin) / (later - at)))
    return found


def _a_second_apart(barriers: list[tuple[int, float]]) -> list[tuple[int, float]]:
    kept: list[tuple[int, float]] = []
    for barrier in barriers:
        if kept and barrier[1] == kept[-1][1]:
            kept[-1] = barrier
        else:
            kept.append(barrier)
    return kept


_PATTERNS = (
    '<pattern id="p-matched" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<rect width="6" height="6" fill="#eef1f4"/><path d="M0 6L6 0" stroke="#9aa7b4" stroke-width=".8"/></pattern>'
    '<pattern id="p-sampled" width="9" height="9" patternUnits="userSpaceOnUse">'
    '<rect width="9" height="9" fill="#f6f7f9"/><circle cx="4" cy="4" r="1.3" fill="#8794a1"/></pattern>'
    '<pattern id="p-differs" width="5" height="5" patternUnits="userSpaceOnUse">'
    '<rect width="5" height="5" fill="#1d1f22"/><path d="M0 0L5 5" stroke="#fff" stroke-width="1.2"/></pattern>'
    '<pattern id="p-unread" width="4" height="4" patternUnits="userSpaceOnUse">'
    '<rect width="4" height="4" fill="#fff"/><path d="M0 2H4" stroke="#1d1f22" stroke-width="1"/></pattern>'
)
