"""One folder a run: the documents that the journal binds, kept until the bundle is made and after."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

from agent.lines import write_durably
from certificates import bundle
from certificates.encoding import decode, digest, encode
from certificates.keyring import Chain
from certificates.statements import Certificate, EvidenceFile, Kind, Selector
from wipers.model import Plan

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
        """Return a document, or none."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def require(self, name: str) -> bytes:
        """Return a document that must be there."""
        return (self.path / name).read_bytes()

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
        files = sorted((self.path / "evidence").iterdir())
        return tuple(EvidenceFile(f.name, _digest_of(f), f.stat().st_size) for f in files)

    def plan(self) -> Plan:
        """Return the plan that was confirmed."""
        return decode(self.require(PLAN), Plan)

    def selector(self) -> Selector | None:
        """Return the selector; none for a carrier without one, or after the run's end."""
        data = self.read(SELECTOR)
        return decode(data, Selector) if data else None

    def remember_place(self, kind: Kind, location: str) -> None:
        """Keep where the target was found; it never leaves this host."""
        self.write(WHERE, json.dumps({"kind": kind, "location": location}).encode())

    def place(self) -> str:
        """Return where the target was found; nowhere once the run has ended, by another process perhaps."""
        data = self.read(WHERE)
        return cast(str, json.loads(data)["location"]) if data else ""

    def forget_names(self) -> None:
        """Overwrite and remove what holds names of the destroyed: they are not evidence."""
        for name in (SELECTOR, WHERE, f"{SELECTOR}.new", f"{WHERE}.new"):
            path = self.path / name
            if path.exists():
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
        """Return the certificate whose bytes were fixed, or none."""
        data = self.read(PAYLOAD)
        return decode(data, Certificate) if data else None

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
        files = (self.path / "evidence").iterdir()
        entries |= {bundle.EVIDENCE + file.name: _Filed(file) for file in files}
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
