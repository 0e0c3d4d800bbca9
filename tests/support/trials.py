"""One order for files on some file system, carried out by the command, and judged by a reader that knows no files."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from agent.cli import main
from certificates.audit import Sign
from certificates.errors import Refused
from certificates.statements import Certificate
from tests.support.grounds import Ground, MakeGround
from tests.support.real_site import Charge, RealSite, files_carrier

SIZES = (70, 1000, 4096, 4097, 12_288, 70_001, 300_000)
"""From what fits into an inode to what is written past the cache."""
CONTENT, NAME = b"CONTENT-OF-WHAT-GOES-5d21", "NAME-OF-WHAT-GOES-88c4"
HISTORY = b"CONTENT-OF-WHAT-WENT-LONG-AGO-19fe"
KEPT_CONTENT, KEPT_NAME = b"CONTENT-OF-WHAT-STAYS-0b7e", "NAME-OF-WHAT-STAYS-41af"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended."""

    exit: int
    told: dict[str, Any]
    said: str
    """What people were shown beside the result."""

    @property
    def failure(self) -> dict[str, Any]:
        """What was refused or failed, where anything was."""
        results = self.told.get("results") or [self.told]
        return results[0].get("failure") or results[0].get("error") or {}

    @property
    def reason(self) -> str | None:
        """The code of what was refused or failed."""
        return self.failure.get("reason")


def command(site: RealSite, *arguments: str) -> Ending:
    """The command in this very process, on a site of its own: loading it anew for every cell would take longer than
    the erasing."""
    out, said = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            main(["--site", str(site.folder), "--lang", "en", "--json", *arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
    return Ending(code, json.loads(out.getvalue() or "{}"), said.getvalue())


@dataclass(slots=True)
class Trial:
    """Files in `in/all` on a fresh file system, others beside them, and a site whose order names `all`."""

    ground: Ground
    site: RealSite
    number: int = 0
    kept: dict[str, bytes] = field(default_factory=dict)
    victims: dict[str, bytes] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.ground.root / "in" / "all"

    def lay(self, sizes: tuple[int, ...] = SIZES) -> None:
        """Each file has a content and a name that nothing else has; neighbours lie between and below."""
        for where in (self.folder, self.folder / "deep" / "er"):
            where.mkdir(parents=True, exist_ok=True)
            for number, size in enumerate(sizes):
                path = where / f"{NAME}-{number}.txt"
                self.victims[str(path)] = lines(CONTENT, number, size)
                path.write_bytes(self.victims[str(path)])
                beside = self.folder.parent / f"{KEPT_NAME}-{len(self.kept)}"
                self.kept[str(beside)] = lines(KEPT_CONTENT, number, size)
                beside.write_bytes(self.kept[str(beside)])
        self.ground.sync()

    def charge(self, **changes: Any) -> Charge:
        """An approved order for `in/all`."""
        self.number += 1
        return self.site.charge(files_carrier(self.folder.parent, "all", **changes), name=f"order-{self.number}")

    def run(self, **changes: Any) -> Ending:
        """The order is carried out, or refused."""
        try:
            charge = self.charge(**changes)
        except Refused as refused:
            # Even the draft could not be measured.
            return Ending(3, {"error": {"reason": refused.reason, "message": str(refused)}}, "")
        confirmed = [part for label in charge.labels for part in ("--confirm", label)]
        return command(self.site, "run", str(charge.path), "--key", str(self.site.key), *confirmed)

    @property
    def certificate(self) -> Certificate:
        (certificate,) = self.site.certificates()
        return certificate

    def check_audit(self) -> None:
        """No document of any bundle fails, and no claim is contradicted."""
        for report in self.site.audited():
            failed = {finding.code for finding in report.findings if finding.sign is Sign.FAILS}
            assert failed <= {"claim-not-reached"}, failed

    def check_kept(self) -> None:
        """What no order names is as it was."""
        assert {path: Path(path).read_bytes() for path in self.kept} == self.kept

    def check_untouched(self) -> None:
        """What was refused is as it was."""
        assert {path: Path(path).read_bytes() for path in self.victims} == self.victims

    def contents_left(self) -> int:
        return self.ground.hits(CONTENT)

    def names_left(self) -> int:
        return self.ground.hits(NAME.encode())

    def lay_history(self) -> None:
        """Something that was deleted long before the order, and stands in free blocks."""
        old = self.folder.parent / "old"
        old.write_bytes(lines(HISTORY, 0, 200_000))
        self.ground.sync()
        old.unlink()
        self.ground.sync()

    def history_left(self) -> int:
        return self.ground.hits(HISTORY)

    def overwrite_as_others_do(self) -> None:
        """One pass through the file, flushed, and the name removed: what programs do that do not look."""
        for path, content in self.victims.items():
            with open(path, "r+b") as file:
                file.write(os.urandom(len(content)))
                file.flush()
                os.fsync(file.fileno())
            os.unlink(path)


@contextlib.contextmanager
def trial(folder: Path, make: MakeGround) -> Iterator[Trial]:
    """A site and a fresh file system, given back whatever happens."""
    site = RealSite(folder / "site")
    with make(folder) as ground:
        yield Trial(ground, site)


def lines(word: bytes, number: int, size: int) -> bytes:
    """Text of that many bytes, full of the word, whose lines differ from each other and from those of other numbers."""
    chance = Random(f"{word!r} {number}")
    made = (b"%s %04d %016x\n" % (word, number, chance.getrandbits(64)) for _ in range(size // 40 + 1))
    return b"".join(made)[:size]
