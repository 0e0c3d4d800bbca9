"""What the registry decides, without HTTP: orders in and out, holds, certificates and validations, receipts, nonces."""

from __future__ import annotations

from certificates import notes
from certificates.signers import raw_ed25519
from server_stub import incidents, log
from server_stub.challenges import Challenges
from server_stub.holds import Holds
from server_stub.incidents import Incident
from server_stub.keyrings import Keyrings
from server_stub.orders import Orders
from server_stub.ports import Ports
from server_stub.records import Records
from server_stub.tile_paths import parse_tile_path


class Registry:
    """One registry: its parts, over one set of ports."""

    def __init__(self, ports: Ports) -> None:
        """Take the ports; a log that is still empty gets its first checkpoint."""
        self._ports = ports
        self.keyrings = Keyrings(ports)
        self.orders = Orders(ports, self.keyrings)
        self.holds = Holds(ports, self.keyrings)
        self.records = Records(ports, self.keyrings, self.orders)
        self.challenges = Challenges(ports)
        with ports.store.write() as connection:
            log.begin(connection, ports.log)

    def unlisted_keys(self) -> tuple[str, ...]:
        """Ids of this registry's own keys that the newest keyring does not list: nobody will believe what they sign."""
        keyring = self.keyrings.chain().current
        listed_log = any(
            entry.origin == self._ports.log.key.name and raw_ed25519(entry.key) == self._ports.log.key.public
            for entry in keyring.logs
        )
        listed_hold = any(key.id == self._ports.hold.key_id for key in keyring.hold_keys)
        missing = () if listed_log else (self._ports.log.key.vkey,)
        return missing if listed_hold else (*missing, self._ports.hold.key_id)

    def checkpoint(self) -> str:
        """The newest checkpoint, signed."""
        with self._ports.store.read() as connection:
            return notes.encode_note(log.checkpoint_note(connection))

    def consistency(self, old: int, new: int | None = None) -> str:
        """That the log at `new` (or now) extends the log at `old`; Refused when there is no such size."""
        with self._ports.store.read() as connection:
            return notes.encode_consistency(log.prove_consistency(connection, old, new))

    def tile(self, path: str) -> bytes:
        """The tile or entry bundle that a path names; Refused when the log does not reach that far."""
        name = parse_tile_path(path)
        with self._ports.store.read() as connection:
            if name.level is None:
                return log.entries(connection, name.position, name.width)
            return log.tile(connection, name.level, name.position, name.width)

    def incidents(self) -> tuple[Incident, ...]:
        """Every number that a host used twice."""
        with self._ports.store.read() as connection:
            return incidents.listed(connection)
