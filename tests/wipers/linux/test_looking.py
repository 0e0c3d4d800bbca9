"""What a process that looks at files says is taken only if it answers what was asked."""

from __future__ import annotations

from array import array

import pytest

from wipers.linux.looking import NOT_PLAIN, Facts, packed, unpacked

FACTS = Facts(
    bytes([1, NOT_PLAIN, 0, 2]),
    array("Q", [11, 5, 7, 1, 12, 0, 8, 2, 13, 9000, 9, 3]),
    array("Q", [0, 4096, 4096, 0, 8192, 4096, 4096, 40960, 8192]),
)


def test_facts_survive_the_way_between_processes() -> None:
    """Every number arrives where it was put."""
    assert unpacked(packed(FACTS), 4) == FACTS


@pytest.mark.parametrize("cut", [1, 8, len(packed(FACTS)) - 3, len(packed(FACTS))])
def test_an_answer_that_is_cut_is_none(cut: int) -> None:
    """A process may die while it answers: a file that it did not come to must not be taken for one without blocks."""
    with pytest.raises(ValueError, match=r"said|multiple"):
        unpacked(packed(FACTS)[:-cut], 4)


@pytest.mark.parametrize("names", [3, 5])
def test_an_answer_to_another_question_is_none(names: int) -> None:
    """One mark more or less, and files would have one another's numbers."""
    with pytest.raises(ValueError, match="more or less"):
        unpacked(packed(FACTS), names)


def test_a_part_of_the_names_keeps_their_numbers_and_extents() -> None:
    """Where something else lies between them, plain files are taken up in stretches."""
    assert FACTS.part(0, 1) == Facts(bytes([1]), array("Q", [11, 5, 7, 1]), array("Q", [0, 4096, 4096]))
    assert FACTS.part(2, 2) == Facts(bytes([0, 2]), FACTS.numbers[4:], FACTS.rows[3:])
    assert FACTS.part(1, 2) == Facts(bytes([NOT_PLAIN, 0]), FACTS.numbers[4:8], array("Q"))
    assert FACTS.part(0, 4) == FACTS
