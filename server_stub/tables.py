"""The registry's tables. Everything that was signed is kept as the bytes that were signed; columns are only its index.

`entries`, `nodes` and `checkpoints` are the log; nothing in them is ever updated. `entries.salt` alone may be erased,
so that a leaf can no longer be tied to a person's document while the tree stays whole.
"""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()

HASH = sa.LargeBinary(32)
DIGEST = sa.String(71)
TIME = sa.String(20)
"""As on the wire: `2026-11-22T12:00:00Z` sorts as text."""

KEYRINGS = sa.Table(
    "keyrings",
    METADATA,
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("digest", DIGEST, nullable=False, unique=True),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
    sa.Column("imported_at", TIME, nullable=False),
)

ORDERS = sa.Table(
    "orders",
    METADATA,
    sa.Column("digest", DIGEST, primary_key=True),
    # Rises with each change, also when signatures are added: what a long poll waits for.
    sa.Column("position", sa.BigInteger, nullable=False, unique=True),
    sa.Column("order_id", sa.String(128), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("expires_at", TIME, nullable=False),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
    sa.Column("received_at", TIME, nullable=False),
)

ORDER_HOSTS = sa.Table(
    "order_hosts",
    METADATA,
    sa.Column("host", DIGEST, primary_key=True),
    sa.Column("digest", DIGEST, sa.ForeignKey("orders.digest"), primary_key=True),
)

HOLDS = sa.Table(
    "holds",
    METADATA,
    sa.Column("digest", DIGEST, primary_key=True),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
    sa.Column("received_at", TIME, nullable=False),
)

HOLD_LIFTS = sa.Table(
    "hold_lifts",
    METADATA,
    sa.Column("hold", DIGEST, sa.ForeignKey("holds.digest"), primary_key=True),
    sa.Column("digest", DIGEST, nullable=False, unique=True),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
    sa.Column("received_at", TIME, nullable=False),
)

HOLD_STATES = sa.Table(
    "hold_states",
    METADATA,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("as_of", TIME, nullable=False),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
)

ENTRIES = sa.Table(
    "entries",
    METADATA,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("data", HASH, nullable=False),
    sa.Column("salt", HASH, nullable=True),
    sa.Column("payload", DIGEST, nullable=False, unique=True),
    sa.Column("envelope", DIGEST, nullable=False),
    sa.Column("appended_at", TIME, nullable=False),
)

NODES = sa.Table(
    "nodes",
    METADATA,
    sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hash", HASH, nullable=False),
    sqlite_with_rowid=False,
)

CHECKPOINTS = sa.Table(
    "checkpoints",
    METADATA,
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("note", sa.Text, nullable=False),
)

CERTIFICATES = sa.Table(
    "certificates",
    METADATA,
    sa.Column("digest", DIGEST, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.ForeignKey("entries.number"), nullable=False, unique=True),
    sa.Column("host", DIGEST, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("ledger_number", sa.BigInteger, nullable=False),
    sa.Column("order_digest", DIGEST, nullable=False, index=True),
    sa.Column("carrier", sa.String(128), nullable=False),
    sa.Column("supersedes", DIGEST, nullable=True),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
    sa.Column("receipt", sa.Text, nullable=False),
    sa.Index("certificates_by_sequence", "host", "sequence"),
    sa.Index("certificates_by_ledger", "host", "ledger_number"),
)

VALIDATIONS = sa.Table(
    "validations",
    METADATA,
    sa.Column("digest", DIGEST, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.ForeignKey("entries.number"), nullable=False, unique=True),
    sa.Column("certificate", DIGEST, sa.ForeignKey("certificates.digest"), nullable=False, index=True),
    sa.Column("decision", sa.String(16), nullable=False),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
    sa.Column("receipt", sa.Text, nullable=False),
)

NONCES = sa.Table(
    "nonces",
    METADATA,
    # One nonce for one journal: who asks again with another commitment would be choosing where samples fall.
    sa.Column("journal_head", DIGEST, primary_key=True),
    sa.Column("commitment", DIGEST, nullable=False),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
)

INCIDENTS = sa.Table(
    "incidents",
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("host", DIGEST, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("registered", DIGEST, nullable=False),
    sa.Column("refused", DIGEST, nullable=False),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
    sa.Column("seen_at", TIME, nullable=False),
    sa.UniqueConstraint("host", "kind", "refused"),
)
