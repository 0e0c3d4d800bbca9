"""What `expunge verify` reads from its options, and how it shows what was seen."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from agent.cli.screen import Screen
from agent.cli.sheets import rows, size_text
from agent.comparing import WORDS, Expected, Sample, Seen, compare, expected_of
from agent.files import read_file
from certificates import bundle
from certificates.render.words import number, share, term
from certificates.statements import ConstantPattern, KeystreamPattern, Pattern, RepeatedPattern
from certificates.trust import MAX_TRUST_FILE, parse_trust

SHOWN = 20
"""Ranges of a kind on the screen; `--json` has up to 4096."""
INTERVAL = 60.0
"""Seconds between lines where there is no terminal."""
MILLION = 1_000_000


def compare_target(
    screen: Screen, target: Path, word: str, *, sample: str | None, stops_at_first: bool, trust: Path | None
) -> int:
    """Print how the target compares with what is expected; return the exit code."""
    drawn = _sample(sample) if sample is not None else None
    expected = _expected(target, word, trust)
    with _progress(screen) as moved:
        seen = compare(target, expected, drawn, stops_at_first=stops_at_first, moved=moved)
    code = 0 if seen.is_match else 5
    text = "\n".join([*_sheet(screen, target, expected, seen), "", _verdict(screen, seen, code)])
    screen.show(text, _tree(target, expected, seen, code))
    return code


def _expected(target: Path, word: str, trust: Path | None) -> Expected:
    """Return what was named; raises UsageError for what makes no sense together."""
    if word in WORDS:
        if trust is not None:
            raise click.UsageError("--trust judges a bundle, and none is named")
        return expected_of(word, None, None)
    path = Path(word)
    if not path.is_file():
        raise click.UsageError(f"--expect takes zeros, ones or the path of a bundle; {word} is none of them")
    if target.exists() and path.samefile(target):
        raise click.UsageError("TARGET and the bundle are the same file")
    anchors = parse_trust(read_file(trust, MAX_TRUST_FILE)) if trust is not None else None
    return expected_of(word, read_file(path, bundle.MAX_SIZE), anchors)


def _sample(text: str) -> Sample:
    """Return confidence and share as written, with a seed of this reading; raises UsageError."""
    parts = [_ppm(part) for part in text.split(",")]
    if len(parts) != 2 or None in parts:
        raise click.UsageError("--sample takes a confidence and a share, such as 0.99,0.001 or 99%,0.1%")
    confidence, fraction = (part or 0 for part in parts)
    if not 0 < confidence <= MILLION or not 0 < fraction <= MILLION:
        raise click.UsageError("--sample takes numbers above 0 and up to 1 (100%), in steps of a millionth")
    return Sample(confidence, fraction, os.urandom(32).hex())


def _ppm(text: str) -> int | None:
    """Return a share in parts per million; none for what is no number, 0 for what is no whole number of them."""
    with suppress(InvalidOperation, ValueError, OverflowError):
        written = text.strip()
        value = Decimal(written.removesuffix("%")) * (10_000 if written.endswith("%") else MILLION)
        return int(value) if value == int(value) and 0 <= value <= MILLION else 0
    return None


def _sheet(screen: Screen, target: Path, expected: Expected, seen: Seen) -> list[str]:
    say = screen.word
    pairs = [
        (say("verify.target"), f"{target}  {number(seen.medium_size)} {say('verify.bytes')}"),
        (say("verify.expected"), _pattern(screen, expected.pattern)),
        (say("verify.document"), _document(screen, expected)),
        (say("verify.read"), _looked_at(screen, seen)),
        (say("verify.matched"), f"{number(seen.matched)} {say('verify.bytes')}"),
        (say("verify.differs"), _amount(screen, seen.mismatched_size, len(seen.mismatched))),
        (say("verify.unread"), _amount(screen, seen.unread_size, len(seen.unread))),
        (say("verify.missing"), _amount(screen, seen.missing_size, 1) if seen.missing_size else ""),
        (say("verify.beyond"), _beyond(screen, seen)),
        (say("verify.took"), say("verify.speed", seconds=f"{seen.seconds:.1f}", rate=size_text(seen.rate))),
    ]
    lines = rows(pairs)
    differing = [(one.offset, one.length, "") for one in seen.mismatched]
    lines += _ranges(screen, "verify.differs", differing)
    unread = [(one.extent.offset, one.extent.length, one.error) for one in seen.unread]
    return lines + _ranges(screen, "verify.unread", unread)


def _pattern(screen: Screen, pattern: Pattern) -> str:
    told = {"constant": "byte", "repeated": "word"}.get(pattern.kind)
    written = bytes.fromhex(getattr(pattern, told)).hex(" ") if told else ""
    return term("pattern", pattern.kind, screen.language, byte=written).partition(", key")[0].partition("，密钥")[0]


def _document(screen: Screen, expected: Expected) -> str:
    document = expected.document
    if document is None:
        return ""
    state = screen.word("verify.audited" if document.is_checked else "verify.unaudited")
    return f"{document.bundle}: {document.number} ({document.carrier}), {document.certificate}; {state}"


def _looked_at(screen: Screen, seen: Seen) -> str:
    amount = f"{number(seen.looked_at)} / {number(seen.size)} {screen.word('verify.bytes')}"
    if seen.is_stopped:
        amount += f"; {screen.word('verify.stopped')}"
    if seen.sampled is None:
        return amount
    sample = seen.sampled
    facts = {
        "read": number(sample.read),
        "blocks": number(sample.blocks),
        "strata": number(sample.strata),
        "anchors": number(sample.anchors),
        "confidence": share(sample.sample.confidence_ppm),
        "fraction": share(sample.sample.fraction_ppm),
    }
    return f"{amount}; {screen.word('verify.sampled', **facts)}"


def _amount(screen: Screen, size: int, ranges: int) -> str:
    return screen.word("verify.amount", size=number(size), ranges=number(ranges)) if size else "0"


def _beyond(screen: Screen, seen: Seen) -> str:
    """Return how much of the medium lies behind what is expected, where anything does."""
    beyond = seen.medium_size - seen.size
    return screen.word("verify.not-compared", size=number(beyond)) if beyond > 0 else ""


def _ranges(screen: Screen, title: str, found: list[tuple[int, int, str]]) -> list[str]:
    """Return the first ranges, from byte to byte."""
    if not found:
        return []
    lines = ["", screen.word(title)]
    lines += [f"  {number(at)} - {number(at + length - 1)}  {error}".rstrip() for at, length, error in found[:SHOWN]]
    return lines + ([f"  … {number(len(found) - SHOWN)}"] if len(found) > SHOWN else [])


def _verdict(screen: Screen, seen: Seen, code: int) -> str:
    if code == 0:
        sign, key = "●", "verify.match-sampled" if seen.sampled else "verify.match"
    elif seen.mismatched_size:
        sign, key = "▲", "verify.differ"
    else:
        sign, key = "○", "verify.unknown"
    return f"{sign} {screen.word(key)} {screen.word('verify.states')}    [exit {code}]"


def _tree(target: Path, expected: Expected, seen: Seen, code: int) -> dict[str, Any]:
    """Return the JSON form (docs/schemas/cli/verify.schema.json)."""
    unread = [{"offset": one.extent.offset, "length": one.extent.length, "error": one.error} for one in seen.unread]
    wanted = {"pattern": _pattern_tree(expected.pattern), "size": seen.size, "document": _document_tree(expected)}
    return {
        "target": str(target),
        "size": seen.medium_size,
        "expected": wanted,
        "sample": _sample_tree(seen),
        "looked_at": seen.looked_at,
        "matched": seen.matched,
        "differing_size": seen.mismatched_size,
        "differing": [{"offset": one.offset, "length": one.length} for one in seen.mismatched],
        "unread_size": seen.unread_size,
        "unread": unread,
        "missing_size": seen.missing_size,
        "stopped": seen.is_stopped,
        "milliseconds": int(seen.seconds * 1000),
        "bytes_a_second": seen.rate,
        "outcome": "match" if code == 0 else "differs" if seen.mismatched_size else "unknown",
        "exit": code,
    }


def _document_tree(expected: Expected) -> dict[str, Any] | None:
    document = expected.document
    if document is None:
        return None
    told = {name: getattr(document, name) for name in ("bundle", "certificate", "number", "carrier")}
    return told | {"checked": document.is_checked}


def _sample_tree(seen: Seen) -> dict[str, Any] | None:
    sampled = seen.sampled
    if sampled is None:
        return None
    drawn = {name: getattr(sampled.sample, name) for name in ("confidence_ppm", "fraction_ppm", "seed")}
    return drawn | {name: getattr(sampled, name) for name in ("blocks", "strata", "read", "anchors")}


def _pattern_tree(pattern: Pattern) -> dict[str, str]:
    match pattern:
        case ConstantPattern(byte=byte):
            return {"kind": pattern.kind, "byte": byte}
        case RepeatedPattern(word=word):
            return {"kind": pattern.kind, "word": word}
        case KeystreamPattern(key=key):
            return {"kind": pattern.kind, "key": key}


@contextmanager
def _progress(screen: Screen) -> Iterator[Callable[[int, int], None] | None]:
    """Yield what is told how far the reading is: a bar on a terminal, a line a minute otherwise, nothing for quiet."""
    if screen.is_quiet:
        yield None
    elif not sys.stderr.isatty():
        yield _lines(screen)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(40), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task("", total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total)


def _lines(screen: Screen) -> Callable[[int, int], None]:
    told_at = time.monotonic()

    def moved(done: int, total: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= INTERVAL:
            told_at = time.monotonic()
            screen.tell(f"{100 * done // total} %")

    return moved
