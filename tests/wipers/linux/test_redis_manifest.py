"""The list of a log's parts, as a Redis server writes it."""

from __future__ import annotations

from wipers.linux.engines.redis_writing import appended


def test_odd_names_are_read_as_the_server_spells_them() -> None:
    """Spaces, quotes, backslashes and bytes outside ASCII: such a part was passed over, and was written on."""
    listed = (
        b"file appendonly.aof.1.base.rdb seq 1 type b\n"
        b"file plain.aof.1.incr.aof seq 1 type i\n"
        b'file "a b\\xc3\\xa9 \\"c\\" \\\\x41.aof.2.incr.aof" seq 2 type i\n'
        b'file "a b.aof.1.incr.aof" seq 1 type h\n'
    )
    assert list(appended(listed)) == [b"plain.aof.1.incr.aof", b'a b\xc3\xa9 "c" \\x41.aof.2.incr.aof']
