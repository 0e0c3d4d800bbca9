"""Named schemes under lies and power cuts: many passes, one verdict, and the same bytes after a resume."""

from __future__ import annotations

import pytest

from certificates.statements import Drew, Outcome, OverwriteRecord
from tests.faults.test_lies import LIES, outcome_of
from tests.faults.test_power_cuts import effects_of, holds_the_last_pass
from tests.support.runs import Run, run_of
from tests.support.simulated_host import PowerCut
from wipers.schemes import SCHEMES

every_scheme = pytest.mark.parametrize("name", [row.id for row in SCHEMES])
CUTS = 3
"""Places of a run at which the plug is pulled, spread evenly over its effects."""


@every_scheme
def test_no_lie_proves_a_scheme(name: str) -> None:
    """More passes do not make up for what one read-back would have found."""
    for lie, make in LIES.items():
        run = run_of(technique=name)
        run.simulated.lies = make()
        assert outcome_of(run) is not Outcome.PROVEN, lie


@every_scheme
def test_a_scheme_cut_anywhere_is_completed_with_what_it_drew(name: str) -> None:
    """Keys, characters and order are drawn once: the passes after a cut are those of the same run."""
    whole = run_of(technique=name)
    effects = effects_of(whole)
    for cut in range(1, CUTS + 1):
        run = run_of(technique=name)
        run.plug.cut_at = max(1, effects * cut // CUTS)
        with pytest.raises(PowerCut):
            run.go()
        run.restore_power()
        assert not run.is_concluded or holds_the_last_pass(run)
        run.go()
        assert holds_the_last_pass(run)
        assert run.claim.outcome is Outcome.PROVEN
        assert len(run.journal.events(Drew)) == 1
        assert patterns(run) == patterns(whole)


def patterns(run: Run) -> list[object]:
    return [record.pattern for record in run.evidence.records if isinstance(record, OverwriteRecord)]
