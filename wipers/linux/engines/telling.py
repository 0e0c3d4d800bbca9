"""Parts of values that tell what goes from what stays: a part that a survivor has too would be found again, for a good
reason, after the rest is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wipers.needles import LENGTH, is_telling
from wipers.searching import literal, search_for

AT_ONCE = 4000
"""Parts that are looked for at once."""


def parts_of(value: bytes) -> Iterator[bytes]:
    """Yield parts of a value that are as long as a needle, from its begin, its middle and its end."""
    last = max(len(value) - LENGTH, 0)
    for begin in dict.fromkeys((0, last // 2, last)):
        part = value[begin : begin + LENGTH]
        if is_telling(part):
            yield part


def telling_apart(values: Iterable[bytes], staying: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return, of each value, the first part that stands in nothing of what stays; none of a value without any."""
    parts = {value: tuple(parts_of(value)) for value in dict.fromkeys(values)}
    wanted = tuple(dict.fromkeys(part for some in parts.values() for part in some))[: 3 * AT_ONCE]
    if not wanted:
        return ()
    search = search_for(tuple(map(literal, wanted)))()
    shared = {wanted[number] for value in staying for number, _ in search.scan(memoryview(value))}
    known = set(wanted) - shared
    chosen = (next((part for part in some if part in known), None) for some in parts.values())
    return tuple(dict.fromkeys(part for part in chosen if part is not None))
