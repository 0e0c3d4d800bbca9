"""Lists that outgrow memory: they hold what was put in, wherever it lies, and leave nothing legible behind."""

from __future__ import annotations

import os
import random
import threading
import tracemalloc

import pytest

from wipers.linux import spool
from wipers.linux.spool import BLOCK, Names, Numbers, Records, Triples, in_order

pytestmark = pytest.mark.integration


def test_numbers_are_what_was_appended_wherever_they_lie() -> None:
    """Streams are known by position: the last block, the kept ones and the file must agree."""
    count = Numbers._EACH * (spool.IN_MEMORY + 9) + 7
    found = Numbers()
    for number in range(count):
        found.append(number * 3)
    assert len(found) == count
    assert list(found) == [number * 3 for number in range(count)]
    places = random.Random(5).sample(range(count), 2000)
    assert [found[place] for place in places] == [place * 3 for place in places]
    assert found[-1] == (count - 1) * 3


def test_records_that_lie_across_blocks_are_whole() -> None:
    """A name does not know where a block ends; an empty record is one too."""
    chance = random.Random(6)
    wanted = [chance.randbytes(chance.choice((0, 1, 40, 255, BLOCK, 3 * BLOCK + 1))) for _ in range(400)]
    found = Records(in_memory=2)
    for record in wanted:
        found.append(record)
    assert list(found) == wanted
    assert [found[place] for place in range(len(wanted))] == wanted
    assert [found[place] for place in reversed(range(len(wanted)))] == list(reversed(wanted))


def test_names_that_are_no_text_come_back() -> None:
    """A file system takes any bytes for a name."""
    names = [os.fsdecode(b"caf\xe9"), "\u8d44\u4ea7", "plain"]
    assert Names(names) == names
    assert list(reversed(Names(names))) == names[::-1]


def test_rows_of_three_come_back_for_each_file() -> None:
    """A file without blocks has none."""
    found = Triples()
    found.append([(1, 2, 3), (4, 5, 6)])
    found.append([])
    assert [list(found[0]), list(found[1])] == [[(1, 2, 3), (4, 5, 6)], []]


@pytest.mark.parametrize("mixed", [False, True])
def test_rows_fetched_at_once_are_those_fetched_one_by_one(mixed: bool) -> None:
    """A file without a block beside one of two has as many bytes as two of one: they must not be taken for these."""
    chance = random.Random(8)
    wanted = [
        tuple((chance.randrange(1 << 60), place, 3) for _ in range(chance.choice((0, 1, 1, 2)) if mixed else 1))
        for place in range(9000)
    ]
    found = Triples()
    for rows in wanted:
        found.append(rows)
    for begin, end in ((0, 0), (0, 1), (0, 512), (511, 1400), (5000, 9000), (8999, 9000)):
        assert found.part(begin, end) == wanted[begin:end]
        assert [tuple(found[place]) for place in range(begin, end)] == wanted[begin:end]


def test_sorting_more_than_memory_takes_yields_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches are merged."""
    monkeypatch.setattr(spool, "SORTED_AT_ONCE", 100)
    chance = random.Random(7)
    records = [chance.randbytes(chance.randrange(1, 30)) for _ in range(2345)]
    assert list(in_order(records)) == sorted(records)
    assert list(in_order([])) == []


def test_several_threads_read_what_one_wrote() -> None:
    """Blocks are written by a few threads, each following the list."""
    found = Records(in_memory=1)
    for number in range(40_000):
        found.append(b"%d" % number)
    wrong: list[int] = []

    def follow(start: int) -> None:
        wrong.extend(number for number in range(start, 40_000, 4) if found[number] != b"%d" % number)

    threads = [threading.Thread(target=follow, args=(start,)) for start in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []


def test_memory_does_not_grow_with_the_list() -> None:
    """A million files must not need more than a thousand."""
    found = Names()
    tracemalloc.start()
    try:
        for number in range(100_000):
            found.append(f"folder/of/a/tree/{number:060d}")
        assert tracemalloc.get_traced_memory()[0] < 3 << 20
    finally:
        tracemalloc.stop()


def test_what_is_spilled_has_no_name_and_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash must leave neither a file nor the names of what was destroyed in the blocks it had."""
    opened: list[int] = []
    real = spool._nameless

    def noted() -> int:
        opened.append(real())
        return opened[-1]

    monkeypatch.setattr(spool, "_nameless", noted)
    found = Names()
    for number in range(30_000):
        found.append(f"NEEDLE-{number:040d}")
    assert opened
    assert os.fstat(opened[0]).st_nlink == 0
    assert b"NEEDLE" not in os.pread(opened[0], 1 << 20, 0)
    assert found[29_000].startswith("NEEDLE")
