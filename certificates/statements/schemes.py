"""What a pass writes, and schemes that an order brings along: the bytes that approvers sign, not a name for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from certificates.statements.basics import Byte, Id, Items, Text, Word


@dataclass(frozen=True, slots=True)
class ConstantByte:
    """Write one byte throughout."""

    byte: Byte
    """The byte as two hex digits."""
    kind: Literal["constant"] = "constant"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class FreshKeystream:
    """Write an AES-256-CTR keystream under a key that `run` draws."""

    kind: Literal["aes-256-ctr"] = "aes-256-ctr"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class RepeatedWord:
    """Write several bytes over and over, aligned to offset 0 of every stream."""

    word: Word
    """The bytes from offset 0 on, two hex digits each."""
    kind: Literal["repeated"] = "repeated"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class DrawnByte:
    """Write throughout one byte that `run` draws under a name."""

    name: Id
    """Name within the scheme."""
    kind: Literal["drawn"] = "drawn"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class ComplementOf:
    """Write throughout the bitwise complement of the byte drawn under that name."""

    name: Id
    """Name within the scheme of a byte that some pass draws."""
    kind: Literal["complement"] = "complement"
    """Mark of this kind."""


Filling = ConstantByte | RepeatedWord | DrawnByte | ComplementOf | FreshKeystream


@dataclass(frozen=True, slots=True)
class Scheme:
    """An overwrite scheme of the order's own. Its name is a label; the passes are what is approved and written."""

    id: Id
    """Id, which no technique of the program has."""
    name: Text
    """Name for people."""
    passes: Annotated[tuple[Filling, ...], Items(1, 64)]
    """What each pass writes over the whole target, in order; the last one stays and is read back."""
    source: Text
    """Where the scheme comes from, in the words of whoever ordered it."""
    warning: Text | None = None
    """What a person should know before choosing it."""
