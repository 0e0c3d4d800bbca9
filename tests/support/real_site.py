"""A real site on disk for the people of `world`, now: keys, keyring, orders, and the command as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519

from agent.drafting import Measured
from agent.keys import write_key
from agent.measuring import measure
from certificates import bundle
from certificates.audit import Report, audit
from certificates.encoding import digest, encode, parse
from certificates.envelope import unwrap
from certificates.selectors import commitment
from certificates.statements import (
    Carrier,
    Certificate,
    DatabaseIdentity,
    Engine,
    FilesIdentity,
    FilesSelector,
    ImageIdentity,
    Keyring,
    Level,
    LogKey,
    LuksIdentity,
    LuksSelector,
    Order,
    PathSelector,
    PublicKey,
    RecordsIdentity,
    RecordsSelector,
    Scope,
    Selector,
    SelectorCommitment,
)
from certificates.trust import Trust, TrustedLog
from tests.support import halting, world
from tests.support.agent_site import ring_without_witnesses

ROOT = Path(__file__).resolve().parents[2]
EXECUTOR = "P-0230"
LABEL_KEY, SALT = "22" * 32, "11" * 32
Selects = FilesSelector | PathSelector | LuksSelector


@dataclass(frozen=True)
class Charge:
    """An order on disk, approved, with its selectors beside it."""

    path: Path
    order: Order

    @property
    def labels(self) -> tuple[str, ...]:
        """What a person types to confirm."""
        return tuple(carrier.label for carrier in self.order.carriers)


@dataclass(frozen=True)
class RealSite:
    """One agent's site, private to root, whose registry can be left out."""

    folder: Path
    registry: str | None = None
    logs: tuple[LogKey, ...] | None = None
    hold_keys: tuple[PublicKey, ...] | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __post_init__(self) -> None:
        (self.folder / "keyring").mkdir(mode=0o700, parents=True)
        (self.folder / "desk").mkdir(mode=0o700)
        (self.folder / "keyring" / "1.dsse.json").write_bytes(world.seal_keyring(self.ring))
        for name, path in (("host arch-07", self.folder / "host.pem"), (EXECUTOR, self.key)):
            write_key(path, ed25519.Ed25519PrivateKey.from_private_bytes(world.secret(name)))
        self.configure(self.registry)

    def configure(self, registry: str | None) -> None:
        """The site names this registry, or none and then keeps no hold register either."""
        lines = ["[site]", f'keyring_root = "{digest(self.ring)}"']
        lines += [f'registry = "{registry}"'] if registry else []
        lines += ["[policy]", f"has_register = {str(registry is not None).lower()}", "carriers_per_hour = 1000"]
        (self.folder / "config.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    @property
    def key(self) -> Path:
        """The executor's key file."""
        return self.folder / "desk" / "executor.pem"

    @property
    def ring(self) -> Keyring:
        """The world's keyring without witnesses, good from yesterday for a year."""
        made = ring_without_witnesses()
        made = replace(made, logs=self.logs or made.logs, hold_keys=self.hold_keys or made.hold_keys)
        return dated(made, self.now)

    @property
    def trust(self) -> Trust:
        """What an auditor of this site trusts."""
        logs = tuple(TrustedLog(log.origin, log.key.spki) for log in self.ring.logs)
        return Trust((digest(self.ring),), logs)

    def charge(self, *carriers: tuple[Carrier, Selector | None], name: str = "order", **changes: Any) -> Charge:
        """An order for these carriers, approved by all and laid on the desk, with its selectors."""
        hour, day = timedelta(hours=1), timedelta(days=1)
        made = world.order(carriers=tuple(carrier for carrier, _ in carriers), witnesses=(), id=name)
        made = replace(made, issued_at=self.now - hour, expires_at=self.now + day)
        made = replace(made, not_before=self.now - hour, not_after=self.now + day, **changes)
        folder = self.folder / "desk" / name
        folder.mkdir(mode=0o700)
        for _, selector in carriers:
            if selector is not None:
                (folder / f"{selector.carrier}.selector.json").write_bytes(encode(selector))
        path = folder / "order.dsse.json"
        path.write_bytes(world.seal(made, *world.APPROVERS))
        return Charge(path, made)

    def run(self, charge: Charge, **how: Any) -> subprocess.CompletedProcess[str]:
        """The command `run` as a process, come to its end."""
        return ended(self.start_run(charge, **how))

    def resume(self) -> subprocess.CompletedProcess[str]:
        """The command `resume` as a process, come to its end."""
        return ended(self.start_resume())

    def start_run(self, charge: Charge, moment: str | None = None) -> subprocess.Popen[str]:
        """The command `run` as a process, perhaps one that halts at a moment (tests/support/halting.py)."""
        said = [part for label in charge.labels for part in ("--confirm", label)]
        return self.start("run", str(charge.path), "--key", str(self.key), *said, moment=moment)

    def start_resume(self) -> subprocess.Popen[str]:
        """The command `resume` as a process."""
        return self.start("resume", "--key", str(self.key))

    def start(self, *arguments: str, moment: str | None = None, through: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Any command as a process, which has no terminal; perhaps one that halts at a moment, or begun by a program
        that looks on."""
        program = halting.command(moment) if moment else (sys.executable, "-c", "from agent.cli import main; main()")
        return subprocess.Popen(
            [*through, *program, "--site", str(self.folder), *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def certificates(self) -> tuple[Certificate, ...]:
        """What waits in the outbox."""
        from certificates.encoding import decode

        waiting = sorted((self.folder / "outbox").glob("*.dsse.json"))
        return tuple(decode(unwrap(path.read_bytes(), 4 << 20).payload, Certificate) for path in waiting)

    def bundles(self) -> tuple[Path, ...]:
        """The bundles written."""
        return tuple(sorted((self.folder / "certificates").rglob("*.expunge")))

    def audited(self) -> tuple[Report, ...]:
        """What an auditor says of each bundle."""
        return tuple(audit(path.read_bytes(), self.trust, path.name) for path in self.bundles())

    def entries(self, number: int = 0) -> dict[str, bytes]:
        """The documents in a bundle."""
        return dict(bundle.unpack(self.bundles()[number].read_bytes()))


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """The process, which is given two minutes and then killed."""
    try:
        output, _ = process.communicate(timeout=300)
    finally:
        process.kill()
        process.wait()
    return subprocess.CompletedProcess(process.args, process.returncode, output, "")


def dated(ring: Keyring, now: datetime) -> Keyring:
    """The keyring with every key good from yesterday for a year."""
    begin, end = now - timedelta(days=1), now + timedelta(days=365)

    def moved(key: PublicKey) -> PublicKey:
        return replace(key, not_before=begin, not_after=end)

    persons = tuple(
        replace(person, keys=tuple(replace(held, key=moved(held.key)) for held in person.keys))
        for person in ring.persons
    )
    return replace(
        ring,
        issued_at=begin,
        persons=persons,
        hosts=tuple(replace(host, key=moved(host.key)) for host in ring.hosts),
        logs=tuple(replace(log, key=moved(log.key)) for log in ring.logs),
        hold_keys=tuple(moved(key) for key in ring.hold_keys),
    )


def carrier(identity: Any, measured: Measured, selector: Selector | None, **changes: Any) -> Carrier:
    """An order to clear it and read everything back, on this host."""
    bound = SelectorCommitment(commitment(selector), measured.count, measured.size) if selector else None
    made = replace(world.carrier(), identity=identity, selector=bound, technique=None, level=Level.CLEAR)
    return replace(made, **changes)


def files_carrier(root: Path, *names: str, **changes: Any) -> tuple[Carrier, Selector]:
    """Files below a directory, counted and weighed."""
    selects = FilesSelector(str(root), names, LABEL_KEY)
    found = measure({"kind": "files"}, {"root": str(root), "names": list(names)}, "C-1")
    selector = Selector(changes.get("id", "C-1"), SALT, selects)
    return carrier(FilesIdentity(**found.identity), found, selector, **changes), selector


def database_carrier(path: Path, **changes: Any) -> tuple[Carrier, Selector]:
    """A whole SQLite database."""
    found = measure({"kind": "database"}, {"path": str(path)}, "C-1")
    selector = Selector(changes.get("id", "C-1"), SALT, PathSelector(str(path), LABEL_KEY))
    return carrier(DatabaseIdentity(**found.identity), found, selector, **changes), selector


def image_carrier(path: Path, **changes: Any) -> tuple[Carrier, Selector]:
    """An image file, in place."""
    found = measure({"kind": "image"}, {"path": str(path)}, "C-1")
    selector = Selector(changes.get("id", "C-1"), SALT, PathSelector(str(path), LABEL_KEY))
    return carrier(ImageIdentity(**found.identity), found, selector, **changes), selector


def loop_carrier(image: Path, **changes: Any) -> tuple[Carrier, None]:
    """The loop device over an image file."""
    found = measure({"kind": "image"}, {"path": str(image)}, "C-1")
    return carrier(ImageIdentity(**(found.identity | {"attached": True})), found, None, **changes), None


def luks_carrier(image: Path, *backups: Path, attached: bool = False, **changes: Any) -> tuple[Carrier, Selector]:
    """A LUKS2 container in an image file, or on the loop device over it, with its header backups."""
    named = tuple(str(path) for path in backups)
    found = measure({"kind": "luks"}, {"path": str(image), "header_backups": list(named)}, "C-1")
    facts = {**found.identity["container"], "attached": attached}
    facts.pop("kind")
    identity = LuksIdentity(found.identity["luks_uuid"], ImageIdentity(**facts))
    selects = LuksSelector(None if attached else str(image), named, LABEL_KEY)
    selector = Selector(changes.get("id", "C-1"), SALT, selects)
    return carrier(identity, found, selector, **changes), selector


def records_carrier(
    selects: RecordsSelector, *, engine: Engine, scope: Scope, database: str = "-", **changes: Any
) -> tuple[Carrier, Selector]:
    """Part of a database, counted by its engine."""
    described = {"kind": "records", "engine": engine, "scope": scope, "database": database}
    found = measure(described, parse(encode(selects)), "C-1")
    identity = RecordsIdentity(engine=engine, scope=scope, **found.identity)
    selector = Selector(changes.get("id", "C-1"), SALT, selects)
    return carrier(identity, found, selector, **changes), selector


def is_root() -> bool:
    """Whether loop devices can be made."""
    return os.geteuid() == 0
