"""What `order draft --measure` refuses of carriers that no run could reach: better told to the clerk than found after
everybody has signed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.measuring import measure
from certificates.errors import Refused
from tests.support import grounds

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


def refused(identity: dict[str, Any], selects: dict[str, Any]) -> str | None:
    """Why it cannot be measured; none where it can."""
    try:
        measure(identity, selects, "C-1")
    except Refused as error:
        return error.reason
    return None


def test_images_and_records_in_memory_are_refused_in_the_draft(tmp_path: Path) -> None:
    """No storage lies below; a server need not even be asked. The same is measured where there is storage."""
    with grounds.tmpfs(tmp_path) as memory, grounds.ext4()(tmp_path / "ext4") as disk:
        for root, reason in ((memory.root, "file-system-in-memory"), (disk.root, None)):
            with closing(sqlite3.connect(root / "people.db")) as database, database:
                database.execute("CREATE TABLE people (name)")
            (root / "disk.img").write_bytes(bytes(4096))
            rows = {"kind": "records", "engine": "sqlite", "scope": "table"}
            where = str(root / "people.db")
            assert refused(rows, {"where": where, "table": "people", "connect": [], "parameters": []}) == reason
            assert refused({"kind": "image"}, {"path": str(root / "disk.img")}) == reason
        server = {"kind": "records", "engine": "postgresql", "scope": "table"}
        assert refused(server, {"where": str(memory.root), "table": "people"}) == "file-system-in-memory"
