"""The registry's paths, media types and limits: declared once, for the server that answers and the agent that asks.

Paths are below the registry's base URL. `{...}` marks what `str.format` fills in; digests stand in paths as they are.
"""

from __future__ import annotations

ORDERS = "/v1/orders"
ORDER = "/v1/orders/{digest}"
KEYRINGS = "/v1/keyrings"
KEYRING = "/v1/keyrings/{version}"
HOST_ORDERS = "/v1/hosts/{host}/orders"
HOLD_STATE = "/v1/hold-state"
HOLDS = "/v1/holds"
HOLD = "/v1/holds/{digest}"
HOLD_LIFTS = "/v1/holds/lifts"
CERTIFICATES = "/v1/certificates"
CERTIFICATE = "/v1/certificates/{digest}"
RECEIPT = "/v1/certificates/{digest}/receipt"
CERTIFICATE_VALIDATIONS = "/v1/certificates/{digest}/validations"
VALIDATIONS = "/v1/validations"
VALIDATION = "/v1/validations/{digest}"
VALIDATION_RECEIPT = "/v1/validations/{digest}/receipt"
CHALLENGE = "/v1/challenge"
LOG_CHECKPOINT = "/v1/log/checkpoint"
LOG_CONSISTENCY = "/v1/log/consistency"
LOG_TILE = "/v1/log/tile/{path}"
INCIDENTS = "/v1/incidents"
TIME = "/v1/time"

JSON = "application/json"
ENVELOPE = "application/vnd.dsse+json"
PROBLEM = "application/problem+json"
"""RFC 9457."""
PROBLEM_TYPE = "/v1/problems/{reason}"
"""Relative to the registry; can be fetched for the sentences behind a reason."""
TEXT = "text/plain; charset=utf-8"
"""Notes, checkpoints and proofs (c2sp.org/tlog-tiles)."""
TILE = "application/octet-stream"

MAX_ORDER = 1 << 20
MAX_CERTIFICATE = 4 << 20
MAX_CHALLENGE = 16 << 10
MAX_WAIT = 60
"""Seconds that a long poll may last at most; a longer `wait` is shortened to this."""
