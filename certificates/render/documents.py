"""Any document of ours as text: a bundle as its certificate, all else as an outline of its fields."""

from __future__ import annotations

import json
from datetime import UTC, tzinfo

from certificates import bundle, envelope
from certificates.encoding import canonical, decode, digest, parse
from certificates.errors import Untrusted
from certificates.render.page import page_of
from certificates.render.text import printable, render_text
from certificates.render.words import Language, say

_ZIP = b"PK\x03\x04"


def show_document(data: bytes, language: Language, zone: tzinfo = UTC) -> str:
    """Return a document for people; raises Untrusted when it is none of ours, or does not hold together."""
    if data.startswith(_ZIP):
        return render_text(page_of(bundle.unpack(data)), language, zone)
    if data.startswith(b"c2sp.org/"):
        return printable(data.decode("utf-8", "replace"))
    if data.count(b"\n") > 1 and data.startswith(b"{"):
        return "".join(_outline(json.loads(line)) + "\n" for line in data.splitlines())
    tree = parse(data)
    if isinstance(tree, dict) and "payloadType" in tree:
        return _sealed(data, language)
    if not isinstance(tree, dict):
        raise Untrusted("document-malformed", detail="not a document of ours")
    return _outline(tree)


def _sealed(data: bytes, language: Language) -> str:
    wrapped = envelope.unwrap(data, 4 << 20)
    kind = next((kind for kind in envelope.KINDS if envelope.payload_type(kind) == wrapped.payload_type), None)
    if kind is None:
        raise Untrusted("document-malformed", detail="a payload type that this version does not know")
    decode(wrapped.payload, kind)
    heading = f"{envelope.kind_of(wrapped)}  {digest(wrapped.payload)}\n"
    signed = "".join(f"{say('label.signature', language)}  {key_id}\n" for key_id, _ in wrapped.signatures)
    return heading + signed + "\n" + _outline(json.loads(wrapped.payload))


def _outline(tree: object) -> str:
    """Return a JSON tree as indented lines; raises Untrusted when it cannot be told."""
    canonical(tree)
    return "\n".join(_lines(tree, 0)) + "\n"


def _lines(tree: object, depth: int) -> list[str]:
    indent = "  " * depth
    lines: list[str] = []
    pairs = tree.items() if isinstance(tree, dict) else (("-", item) for item in tree) if isinstance(tree, list) else ()
    for name, value in pairs:
        label = str(name).replace("_", " ")
        if isinstance(value, (dict, list)) and value:
            lines += [f"{indent}{label}", *_lines(value, depth + 1)]
        else:
            told = value if isinstance(value, str) else json.dumps(value)
            lines.append(printable(f"{indent}{label}: {told}"))
    return lines
