"""What an audit found: one line a check, each saying what was checked, how a stranger can redo it, and what follows."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from certificates.audit.sentences import CLASSES, NAMES, SENTENCES, VERDICTS
from certificates.audit.telling import tell_fact
from certificates.errors import Failure
from certificates.reasons import REASONS
from certificates.render.words import Language
from certificates.statements import Digest, Fact, Id, Items, Text


class Sign(StrEnum):
    """Three signs that differ in shape."""

    HOLDS = "holds"
    FAILS = "fails"
    UNKNOWN = "unknown"

    @property
    def mark(self) -> str:
        """The sign as it is printed."""
        return {"holds": "●", "fails": "▲", "unknown": "○"}[self.value]


class Basis(StrEnum):
    """How a stranger can redo a check: from the bundle, with the medium at hand, or not at all."""

    RECOMPUTABLE = "recomputable"
    RE_RUNNABLE = "re-runnable"
    ATTESTED = "attested"


class Verdict(StrEnum):
    """What all findings come to."""

    PROVEN = "proven"
    NOT_PROVEN = "not-proven"
    DOES_NOT_HOLD = "does-not-hold"

    @property
    def exit_code(self) -> int:
        """Exit of the command: 0, 5 or 7."""
        return {"proven": 0, "not-proven": 5, "does-not-hold": 7}[self.value]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of an audit."""

    name: Id
    """What was checked."""
    sign: Sign
    """How it came out."""
    basis: Basis
    """How a stranger can redo it."""
    code: Id
    """Sentence, or reason of the error tree."""
    facts: Annotated[tuple[Fact, ...], Items(0, 16)]
    """Facts that the sentence names."""
    leaves: Verdict
    """Best verdict that this finding leaves open."""

    def tell(self, language: Language = "en") -> str:
        """Return the finding as a sentence in `en` or `zh`."""
        is_ours = self.code in SENTENCES
        if is_ours:
            sentence = SENTENCES[self.code][1 if language == "zh" else 0]
        else:
            row = REASONS[self.code]
            sentence = row.zh if language == "zh" else row.en
        told = {fact.name: tell_fact(fact, language) if is_ours else fact.value for fact in self.facts}
        return sentence.format_map(_Known(told))

    def tell_name(self, language: Language = "en") -> str:
        """Return what was checked in `en` or `zh`."""
        return NAMES[self.name][1 if language == "zh" else 0]

    def tell_basis(self, language: Language = "en") -> str:
        """Return the check's class in `en` or `zh`."""
        return CLASSES[self.basis.value][1 if language == "zh" else 0]


class _Known(dict[str, str]):
    """Facts; one that is missing shows as its own name."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"


@dataclass(frozen=True, slots=True)
class Report:
    """An audit of one bundle."""

    name: Text
    """Bundle, as it was named."""
    certificate: Digest | None
    """Digest of the certificate; none where it could not be read."""
    host: Digest | None
    """Host that sealed it."""
    sequence: int | None
    """Host sequence number of the run."""
    verdict: Verdict
    """What the findings come to."""
    findings: Annotated[tuple[Finding, ...], Items(1, 64)]
    """A line a check."""

    def tell(self, language: Language = "en") -> str:
        """Return the verdict as a sentence in `en` or `zh`."""
        return VERDICTS[self.verdict.value][1 if language == "zh" else 0]


@dataclass(frozen=True, slots=True)
class Audit:
    """An audit of one bundle or many."""

    reports: Annotated[tuple[Report, ...], Items(0, 65536)]
    """One a bundle."""
    runs: Annotated[tuple[Finding, ...], Items(0, 4096)]
    """What many bundles tell together: runs missing, here twice, or in an unbroken chain."""
    verdict: Verdict
    """What everything comes to."""

    def tell(self, language: Language = "en") -> str:
        """Return the verdict as a sentence in `en` or `zh`."""
        return VERDICTS[self.verdict.value][1 if language == "zh" else 0]


def holds(name: str, basis: Basis, code: str, /, **facts: object) -> Finding:
    """Return a finding that leaves everything open."""
    return Finding(name, Sign.HOLDS, basis, code, _facts(facts), Verdict.PROVEN)


def unknown(name: str, basis: Basis, code: str, leaves: Verdict = Verdict.PROVEN, /, **facts: object) -> Finding:
    """Return a finding of something that could not be told; by default it concerns no claim."""
    return Finding(name, Sign.UNKNOWN, basis, code, _facts(facts), leaves)


def short(name: str, basis: Basis, code: str, /, **facts: object) -> Finding:
    """Return a finding that all documents hold and the claim is not reached all the same."""
    return Finding(name, Sign.FAILS, basis, code, _facts(facts), Verdict.NOT_PROVEN)


def fails(name: str, basis: Basis, error: Failure) -> Finding:
    """Return the finding of a document that does not hold, for the reason in the error."""
    return Finding(name, Sign.FAILS, basis, error.reason, _facts(error.facts), Verdict.DOES_NOT_HOLD)


def worst(findings: tuple[Finding, ...]) -> Verdict:
    """Return the best verdict that all findings leave open."""
    order = list(Verdict)
    return max((finding.leaves for finding in findings), key=order.index, default=Verdict.DOES_NOT_HOLD)


def _facts(facts: dict[str, object]) -> tuple[Fact, ...]:
    return tuple(Fact(name, _printable(str(value))) for name, value in facts.items())


def _printable(text: str) -> str:
    """Return text from a stranger's document with nothing in it that could steer a terminal."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return unicodedata.normalize("NFC", shown)[:2000]
