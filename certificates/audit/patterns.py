"""What a pass wrote, made anew from its pattern alone."""

from __future__ import annotations

from certificates.statements import ConstantPattern, Pattern, RepeatedPattern


def expected(pattern: Pattern, offset: int, length: int, stream: int = 0) -> bytes:
    """Return the pattern's bytes; AES-256-CTR (NIST SP 800-38A, 6.5), counter block stream || offset/16, big-endian."""
    if isinstance(pattern, ConstantPattern):
        return bytes.fromhex(pattern.byte) * length
    if isinstance(pattern, RepeatedPattern):
        word = bytes.fromhex(pattern.word)
        skipped = offset % len(word)
        return (word * ((skipped + length) // len(word) + 1))[skipped : skipped + length]
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.ciphers.modes import CTR

    counter = stream.to_bytes(8, "big") + (offset // 16).to_bytes(8, "big")
    keystream = Cipher(AES256(bytes.fromhex(pattern.key)), CTR(counter)).encryptor()
    return keystream.update(bytes(offset % 16 + length))[offset % 16 :]
