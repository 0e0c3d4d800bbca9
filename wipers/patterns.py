"""Byte n of a pattern: pure, random access, so that a read-back regenerates what was written and remembers nothing."""

from __future__ import annotations

from typing import assert_never

from certificates.statements import ConstantPattern, KeystreamPattern, Pattern

BLOCK = 16
"""Bytes of an AES block: one counter value covers so many bytes of the stream."""
_ZEROS = bytes(1 << 20)
"""A keystream is what AES-CTR makes of zeros."""


def fill(pattern: Pattern, stream: int, offset: int, buffer: memoryview) -> None:
    """The buffer holds the pattern's bytes from `offset` of `stream` on; any offset and length, in bytes."""
    match pattern:
        case ConstantPattern(byte=byte):
            buffer[:] = bytes.fromhex(byte) * len(buffer)
        case KeystreamPattern(key=key):
            _fill_with_keystream(bytes.fromhex(key), stream, offset, buffer)
        case _:
            assert_never(pattern)


def counter_block(stream: int, offset: int) -> bytes:
    """Return the first counter block for a byte: 8-byte stream number || 8-byte offset/16, both big-endian."""
    return stream.to_bytes(8, "big") + (offset // BLOCK).to_bytes(8, "big")


def _fill_with_keystream(key: bytes, stream: int, offset: int, buffer: memoryview) -> None:
    """Run AES-256-CTR (NIST SP 800-38A, 6.5) over zeros into the buffer; the interpreter lock is free meanwhile."""
    # Not at the top: planning needs no cipher, and loading one would slow the start of every command.
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.ciphers.modes import CTR

    keystream = Cipher(AES256(key), CTR(counter_block(stream, offset))).encryptor()
    keystream.update(_ZEROS[: offset % BLOCK])
    # Older releases of the library want a spare block behind the output, so the last one is copied.
    inner = max(len(buffer) - BLOCK, 0)
    for start in range(0, inner, len(_ZEROS)):
        length = min(len(_ZEROS), inner - start)
        keystream.update_into(memoryview(_ZEROS)[:length], buffer[start:])
    buffer[inner:] = keystream.update(_ZEROS[: len(buffer) - inner])
