"""One folder a run: the documents that the journal binds, kept until the bundle is made and after."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar, cast

from agent.lines import write_durably
from certificates import bundle
from certificates.encoding import decode, digest, encode
from certificates.envelope import Wrapped, unwrap
from certificates.errors import Refused, Untrusted
from certificates.keyring import Chain
from certificates.statements import Certificate, EvidenceFile, Kind, Opened, Selector, Start
from wipers.model import Plan

T = TypeVar("T")

PLAN = "plan.json"
PAYLOAD = "certificate.json"
SELECTOR = "selector.json"
WHERE = "where.json"
DISCLOSED = "disclosed-" + SELECTOR
AT_ONCE = 1 << 20
"""Bytes of an evidence file in memory."""
PAUSE, CANCEL = WISHES = ("pause.json", "cancel.json")


class RunFolder:
    """The documents of one run; every write is durable before it returns."""

    def __init__(self, path: Path) -> None:
        """Take the folder's path; `make` creates it."""
        self.path = path

    @property
    def sequence(self) -> int:
        """Host sequence number of the run."""
        return int(self.path.name)

    def make(self) -> None:
        """Create the folder, closed to others; nothing stays in it of a run that a crash ended before it began."""
        for path in (self.path, self.path / "evidence"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.forget_names()
        for name in (DISCLOSED, f"{DISCLOSED}.new", bundle.HOLD_STATE, *WISHES):
            (self.path / name).unlink(missing_ok=True)

    def write(self, name: str, data: bytes) -> None:
        """File a document."""
        write_durably(self.path / name, data)

    def read(self, name: str) -> bytes | None:
        """Return a document, or none; raises Refused where what lies there is no file that can be read."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(name, os.strerror(error.errno or 0)) from error

    def require(self, name: str) -> bytes:
        """Return a document that must be there; raises Refused."""
        data = self.read(name)
        if data is None:
            raise self._unreadable(name, os.strerror(errno.ENOENT))
        return data

    def _unreadable(self, name: str, detail: str) -> Refused:
        return Refused("run-state-unreadable", where=str(self.path / name), detail=detail)

    def save_evidence(self, name: str, data: bytes) -> str:
        """File an evidence file; return its digest."""
        self.write(f"evidence/{name}", data)
        return digest(data)

    def save_evidence_parts(self, name: str, parts: Iterable[bytes]) -> str:
        """File an evidence file that is never in memory as a whole; return its digest."""
        hashed = hashlib.sha256()
        write_durably(self.path / f"evidence/{name}", _through(hashed, parts))
        return f"sha256:{hashed.hexdigest()}"

    def evidence_files(self) -> tuple[EvidenceFile, ...]:
        """Return what the certificate binds of the evidence folder."""
        files = sorted(self._evidence())
        return tuple(EvidenceFile(f.name, _digest_of(f), f.stat().st_size) for f in files)

    def _evidence(self) -> list[Path]:
        """Return the files that a bundle takes: what else lies there is nobody's evidence, and a link may lead to what
        nobody was to see."""
        beside = (self.path / "evidence").iterdir()
        return [file for file in beside if bundle.is_evidence(file.name) and file.is_file() and not file.is_symlink()]

    def plan(self) -> Plan:
        """Return the plan that was confirmed; raises Refused."""
        return self._decoded(PLAN, self.require(PLAN), Plan)

    def check(self, opened: Opened) -> Plan:
        """Return the plan, having checked that start, order, plan and certificate are those of the run that a journal
        opens; raises Refused. A backup put back or a folder mixed up would else have another run's plan carried out, or
        this one's under a Start that no auditor takes."""
        plan, fixed = self.plan(), self.fixed()
        if opened.start is None:
            # A replay goes on under the Start of the run that it repeats.
            return plan
        start = self._sealed(bundle.START)
        found = {
            bundle.START: start.digest == opened.start,
            bundle.ORDER: self._sealed(bundle.ORDER).digest == opened.order,
            PLAN: plan.digest == self._decoded(bundle.START, start.payload, Start).plan,
            PAYLOAD: fixed is None or fixed.binding.start == opened.start,
        }
        if wrong := [name for name, fits in found.items() if not fits]:
            raise self._unreadable(wrong[0], "it is another run's")
        return plan

    def _decoded(self, name: str, data: bytes, kind: type[T]) -> T:
        try:
            return decode(data, kind)
        except Untrusted as error:
            raise self._unreadable(name, error.row.en.format_map(error.facts)) from error

    def _sealed(self, name: str) -> Wrapped:
        data = self.require(name)
        try:
            return unwrap(data)
        except Untrusted as error:
            raise self._unreadable(name, error.row.en.format_map(error.facts)) from error

    def selector(self) -> Selector | None:
        """Return the selector; none for a carrier without one, or after the run's end."""
        data = self.read(SELECTOR)
        return decode(data, Selector) if data else None

    def remember_place(self, kind: Kind, location: str) -> None:
        """Keep where the target was found; it never leaves this host."""
        self.write(WHERE, json.dumps({"kind": kind, "location": location}).encode())

    def place(self) -> str:
        """Return where the target was found; nowhere once the run has ended, by another process perhaps, or where the
        note of it is spoilt: it is a hint, and the target is known by what it is."""
        try:
            return cast(str, json.loads((self.path / WHERE).read_bytes())["location"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def forget_names(self) -> None:
        """Overwrite and remove what holds names of the destroyed: they are not evidence. Nor is a file of evidence that
        a crash cut short amid its writing, and it may hold them as well."""
        cut_short = [path for path in (self.path / "evidence").glob("*.new") if not path.is_symlink()]
        named = [self.path / name for name in (SELECTOR, WHERE, f"{SELECTOR}.new", f"{WHERE}.new")]
        for path in (*named, *cut_short):
            if path.is_file():
                with path.open("r+b") as file:
                    file.write(os.urandom(path.stat().st_size))
                    os.fsync(file.fileno())
                path.unlink()

    def fix(self, certificate: Certificate) -> str:
        """Fix the certificate's bytes once; return their digest."""
        payload = encode(certificate)
        self.write(PAYLOAD, payload)
        return digest(payload)

    def fixed(self) -> Certificate | None:
        """Return the certificate whose bytes were fixed, or none; raises Refused."""
        data = self.read(PAYLOAD)
        return self._decoded(PAYLOAD, data, Certificate) if data else None

    def pack(self, chain: Chain, journal: list[bytes]) -> Iterator[bytes]:
        """Yield the bundle: documents, keyrings up to the newest, journal up to the bound entry, evidence, which may be
        the list of a million files' extents."""
        certificate = self.fixed()
        bound = certificate.binding.journal_entries if certificate else len(journal)
        entries: dict[str, bytes | bundle.Content] = {
            bundle.JOURNAL: b"".join(line + b"\n" for line in journal[:bound])
        }
        names = (bundle.ORDER, bundle.HOLD_STATE, bundle.START, bundle.CERTIFICATE, bundle.RECEIPT, bundle.VALIDATION)
        entries |= _present({name: self.read(name) for name in names})
        entries |= {bundle.keyring_name(s.statement.version): s.envelope for s in chain.sealed}
        entries |= {bundle.EVIDENCE + file.name: _Filed(file) for file in self._evidence()}
        disclosed = self.read(DISCLOSED)
        return bundle.packed(entries | _present({bundle.SELECTOR: disclosed}))


class _Filed:
    """A file as an entry of the bundle."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def size(self) -> int:
        return self._path.stat().st_size

    def parts(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            while part := file.read(AT_ONCE):
                yield part


def _through(hashed: hashlib._Hash, parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        hashed.update(part)
        yield part


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _present(entries: Mapping[str, bytes | None]) -> dict[str, bytes]:
    return {name: data for name, data in entries.items() if data is not None}
