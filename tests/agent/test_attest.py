"""What a certificate says of the technique: where the passes come from, and that a name is no more than a name."""

from __future__ import annotations

import pytest

from agent.attest import source_of
from wipers.model import Technique
from wipers.schemes import SCHEMES
from wipers.techniques import find_technique

LABEL = "the name is a label for these passes, not a statement of compliance"


@pytest.mark.parametrize("row", SCHEMES, ids=lambda row: row.id)
def test_a_scheme_on_a_certificate_is_called_a_label(row: Technique) -> None:
    """A reviewer sees the name years later, without this program's pages."""
    told = source_of(row)
    assert told.endswith(LABEL)
    assert ("known from programs alone" in told) is (row.basis == "code")


def test_a_plain_technique_is_cited_as_ever() -> None:
    """It carries no borrowed name."""
    row = find_technique("random-1")
    assert source_of(row) == row.citation
