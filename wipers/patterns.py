"""Byte n of a pattern: pure, random access, so that a read-back regenerates what was written and remembers nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, assert_never

from certificates.statements import ConstantPattern, KeystreamPattern, Pattern, RepeatedPattern

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

BLOCK = 16
"""Bytes of an AES block: one counter value covers so many bytes of the stream."""
PIECE = 1 << 18
"""Bytes made at a time: with what is compared to them they stay in a core's own cache."""
_ZEROS = memoryview(bytes(PIECE))
"""A keystream is what AES-CTR makes of zeros."""

Source = Callable[[memoryview], None]
"""Fills a buffer with the bytes that follow those of the buffer before."""


def fill(pattern: Pattern, stream: int, offset: int, buffer: memoryview) -> None:
    """The buffer holds the pattern's bytes from `offset` of `stream` on; any offset and length, in bytes."""
    if isinstance(pattern, KeystreamPattern):
        _continue(_keystream_anew(pattern.key, stream, offset), buffer)
    else:
        source_at(pattern, stream, offset)(buffer)


def source_at(pattern: Pattern, stream: int, offset: int) -> Source:
    """Return what yields the pattern's bytes from `offset` of `stream` on, for one thread."""
    match pattern:
        case ConstantPattern(byte=byte):
            return lambda buffer: _repeat(bytes.fromhex(byte), buffer)
        case RepeatedPattern(word=word):
            return _repeating(bytes.fromhex(word), offset)
        case KeystreamPattern(key=key):
            keystream = _new_cipher()(bytes.fromhex(key), counter_block(stream, offset))
            keystream.update(_ZEROS[: offset % BLOCK])
            return lambda buffer: _continue(keystream, buffer)
        case _:
            assert_never(pattern)


_NEAR = threading.local()


def _keystream_anew(key: str, stream: int, offset: int) -> CipherContext:
    """Return this thread's one keystream, set to a byte: for use before anything else asks for it.

    To make a cipher costs more than to encipher the few thousand bytes of a small file, and a tree has a million.
    """
    held: tuple[str, CipherContext] | None = getattr(_NEAR, "held", None)
    counter = counter_block(stream, offset)
    if held is not None and held[0] == key and hasattr(held[1], "reset_nonce"):
        keystream = held[1]
        keystream.reset_nonce(counter)
    else:
        keystream = _new_cipher()(bytes.fromhex(key), counter)
        _NEAR.held = (key, keystream)
    keystream.update(_ZEROS[: offset % BLOCK])
    return keystream


def counter_block(stream: int, offset: int) -> bytes:
    """Return the first counter block for a byte: 8-byte stream number || 8-byte offset/16, both big-endian."""
    return stream.to_bytes(8, "big") + (offset // BLOCK).to_bytes(8, "big")


def _repeat(byte: bytes, buffer: memoryview) -> None:
    buffer[:] = byte * len(buffer)


def _repeating(word: bytes, offset: int) -> Source:
    """Return what writes the word over and over, from the byte on that stands at the offset."""
    behind = offset

    def go_on(buffer: memoryview) -> None:
        nonlocal behind
        turn = behind % len(word)
        turned = word[turn:] + word[:turn]
        buffer[:] = (turned * (len(buffer) // len(word) + 1))[: len(buffer)]
        behind += len(buffer)

    return go_on


def _continue(keystream: CipherContext, buffer: memoryview) -> None:
    """Run the cipher over zeros into the buffer; the interpreter lock is free meanwhile."""
    # Older releases of the library want a spare block behind the output, so the last one is copied.
    inner = max(len(buffer) - BLOCK, 0)
    for start in range(0, inner, PIECE):
        length = min(PIECE, inner - start)
        keystream.update_into(_ZEROS[:length], buffer[start:])
    buffer[inner:] = keystream.update(_ZEROS[: len(buffer) - inner])


@cache
def _new_cipher() -> Callable[[bytes, bytes], CipherContext]:
    """Return what makes an AES-256-CTR context (NIST SP 800-38A, 6.5) of a key and the first counter block."""
    # Not at the top: planning needs no cipher, and loading one would slow the start of every command.
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.ciphers.modes import CTR

    return lambda key, counter: Cipher(AES256(key), CTR(counter)).encryptor()
