"""What stands under `connect` of an order means one thing, and something."""

from __future__ import annotations

import pytest

from certificates.errors import Refused
from certificates.statements import Engine, Fact, RecordsSelector
from wipers.linux.engines.connecting import check_connect


def selecting(credentials: str | None = None, **connect: str) -> RecordsSelector:
    facts = tuple(Fact(name, value) for name, value in sorted(connect.items()))
    return RecordsSelector("/data", facts, credentials, None, "people", "who = :who", (), "00" * 32)


@pytest.mark.parametrize(
    ("engine", "connect", "detail"),
    [
        ("mariadb", {"sokcet": "/run/other.sock"}, "sokcet: mariadb takes host, port, socket, user"),
        ("mariadb", {"host": "db", "sslmode": "require"}, "sslmode"),
        ("sqlite", {"user": "anna"}, "user: sqlite takes foreign_keys"),
        ("sqlite", {"foreign_keys": "False"}, 'neither "on" nor "off"'),
        ("postgresql", {"socket": "/run/postgresql", "host": "db"}, "both a socket and a host"),
        ("redis", {"port": "6380"}, "a port, and no host"),
        ("redis", {"host": "db", "port": "0"}, "no number up to 65535"),
        ("redis", {"host": "db", "port": "65536"}, "no number up to 65535"),
        ("redis", {"host": "db", "port": "6380 "}, "no number up to 65535"),
    ],
)
def test_what_an_engine_would_pass_over_in_silence_is_refused(
    engine: Engine, connect: dict[str, str], detail: str
) -> None:
    """The server that was meant, and the one that is asked, could be two."""
    with pytest.raises(Refused) as refused:
        check_connect("rows-1", engine, selecting(**connect))
    assert refused.value.reason == "connect-wrong"
    assert detail in str(refused.value.facts["detail"])


@pytest.mark.parametrize(
    ("engine", "connect"),
    [
        ("sqlite", {}),
        ("sqlite", {"foreign_keys": "off"}),
        ("postgresql", {"socket": "/run/postgresql", "port": "5433", "user": "postgres"}),
        ("postgresql", {"host": "db", "port": "5433", "sslmode": "verify-full"}),
        ("mariadb", {"host": "db", "port": "3307", "user": "root"}),
        ("redis", {"socket": "/run/redis.sock", "user": "clerk"}),
    ],
)
def test_what_an_engine_takes_is_taken(engine: Engine, connect: dict[str, str]) -> None:
    """Whether anybody answers there is asked afterwards."""
    check_connect("rows-1", engine, selecting(**connect))


def test_a_password_for_a_file_of_sqlite_is_refused() -> None:
    """Who names one believes that the file is enciphered."""
    with pytest.raises(Refused, match="credentials"):
        check_connect("rows-1", "sqlite", selecting(credentials="/etc/expunge/key"))
