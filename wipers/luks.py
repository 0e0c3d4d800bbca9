"""LUKS2 containers: the keyslots and both header copies go first; the payload may follow."""

from __future__ import annotations

from dataclasses import dataclass

from certificates.statements import FullVerification, Kind
from wipers.model import ConfirmKeyGone, Step, Technique, Wanted
from wipers.techniques import written_and_read_back


@dataclass(frozen=True, slots=True)
class LuksWiper:
    """Destroys the key before anything else: from then on an interruption leaves only ciphertext."""

    kind: Kind
    summary: str

    def steps(self, technique: Technique, wanted: Wanted) -> tuple[Step, ...]:
        """Return the header's passes, their full read-back, the question for the key, then the same for the whole.

        The header is read back in full whatever was ordered, and before a pass over the whole writes over it again: one
        block of key material left over would be enough, which no sample can rule out.
        """
        header = written_and_read_back(technique, "header", FullVerification(), first=0)
        confirmed = (*header, ConfirmKeyGone())
        return (*confirmed, *written_and_read_back(technique, "whole", wanted.verification, first=len(confirmed)))


LUKS = LuksWiper("luks", "a LUKS2 container: keyslots and header copies, and the payload where the technique says so")
