"""What an order for rows of a SQLite database does not mean, the command refuses: exit 3, and not a byte is changed."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from certificates.statements import RecordsSelector
from tests.support import people
from tests.support.erasing import LABEL_KEY
from tests.support.ext4_image import Mounted, ext4_image
from tests.support.real_site import RealSite, ended, records_carrier
from tests.support.records_ordered import text

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

ROWS, GONE = 300, 100


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    with ext4_image(tmp_path_factory.mktemp("refused"), size=24 << 20) as found:
        yield found


def ten_times_the_rows(path: Path) -> None:
    with closing(sqlite3.connect(path)) as found, found:
        rows = ((1000 + number, f"VCTM-more-{number:06d}") for number in range(9 * GONE))
        found.executemany("INSERT INTO people (id, name) VALUES (?, ?)", rows)


def table_made_again(path: Path) -> None:
    with closing(sqlite3.connect(path)) as found, found:
        found.execute("CREATE TABLE copy (id INTEGER PRIMARY KEY, name TEXT, note TEXT, city TEXT, photo BLOB)")
        found.execute("INSERT INTO copy SELECT * FROM people")
        found.execute("DROP TABLE people")
        found.execute("ALTER TABLE copy RENAME TO people")


def file_of_another(path: Path) -> None:
    """With the same schema and the same rows, in the same directory."""
    other = path.with_name("other.db")
    people.make(other, "DELETE", rows=ROWS)
    other.rename(path)


def directory_of_another(path: Path) -> None:
    path.parent.rename(path.parent.with_name("was"))
    path.parent.mkdir()
    people.make(path, "DELETE", rows=ROWS)


def encrypted(path: Path) -> None:
    """As SQLCipher writes it: a salt, then pages in which no byte is more frequent than another."""
    pages = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(1024))
    path.write_bytes(pages)


@pytest.mark.parametrize(
    ("meanwhile", "reason"),
    [
        (ten_times_the_rows, "Found 1000 rows"),
        (table_made_again, "plan"),
        (file_of_another, "plan"),
        (directory_of_another, "Nothing on this host is carrier"),
        (encrypted, "SQLCipher"),
    ],
)
def test_what_was_put_there_between_plan_and_run_is_left_alone(
    disk: Mounted, tmp_path: Path, meanwhile: Callable[[Path], None], reason: str
) -> None:
    """The approvers had another thing in mind."""
    path = disk.root / meanwhile.__name__ / "people.db"
    path.parent.mkdir()
    people.make(path, "DELETE", rows=ROWS)
    who = (text("who", "VCTM%"),)
    selects = RecordsSelector(str(path), (), None, None, "people", "name LIKE :who", who, LABEL_KEY)
    site = RealSite(tmp_path / "site")
    charge = site.charge(records_carrier(selects, engine="sqlite", scope="rows"))
    planned = ended(site.start("--json", "plan", str(charge.path)))
    digest = json.loads(planned.stdout)["carriers"][0]["plan"]["digest"]
    meanwhile(path)
    before = path.read_bytes()
    said = ["--key", str(site.key), "--confirm", charge.labels[0], "--plan", digest]
    done = ended(site.start("run", str(charge.path), *said))
    assert done.returncode == 3, done.stdout
    assert reason in done.stdout, done.stdout
    assert path.read_bytes() == before
    assert sorted(one.name for one in path.parent.iterdir()) == ["people.db"]
    assert not site.certificates()
