"""Small documents of real kinds, each with a text of its own, as recovery programs know them by their first bytes."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from pathlib import Path


def write_documents(folder: Path, count: int, mark: str) -> dict[str, bytes]:
    """So many documents of each kind in the folder; their contents by name."""
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, bytes] = {}
    for number in range(count):
        text = "\n".join(f"{mark} {number} line {line}" for line in range(120))
        chance = random.Random(f"{mark} {number}")
        made[f"contract-{number}.pdf"] = pdf(text)
        made[f"minutes-{number}.docx"] = docx(text)
        made[f"photo-{number}.png"] = png(64 + number, chance)
        made[f"scan-{number}.jpg"] = jpeg(chance)
        made[f"notes-{number}.txt"] = text.encode()
    for name, content in made.items():
        (folder / name).write_bytes(content)
    return made


def pdf(text: str) -> bytes:
    """A PDF of one page whose text is plain."""
    lines = " ".join(f"({line}) Tj T*" for line in text.splitlines())
    stream = f"BT /F1 8 Tf 40 800 Td 9 TL {lines} ET".encode()
    fonts = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Courier >> >> >> >>"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources " + fonts,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    )
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(out)
    out += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % table
    return bytes(out)


def docx(text: str) -> bytes:
    """A word processor's file: a zip whose parts are stored plain."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as parts:
        parts.writestr(
            "[Content_Types].xml",
            '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument'
            '.wordprocessingml.document.main+xml"/></Types>',
        )
        body = "".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in text.splitlines())
        parts.writestr("word/document.xml", f"<w:document><w:body>{body}</w:body></w:document>")
    return out.getvalue()


def png(width: int, chance: random.Random) -> bytes:
    """A grey picture of noise."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + chance.randbytes(width) for _ in range(width))
    head = struct.pack(">IIBBBBB", width, width, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpeg(chance: random.Random) -> bytes:
    """A grey baseline picture of one colour a block, as small as the format allows (ITU-T T.81)."""

    def segment(mark: int, content: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, mark, len(content) + 2) + content

    # One code for each table: two bits, `00`, for the difference 0, and `0` for the end of a block.
    tables = segment(0xC4, b"\x00" + bytes([0, 1]) + bytes(14) + b"\x00") + segment(
        0xC4, b"\x10" + bytes([0, 1]) + bytes(14) + b"\x00"
    )
    size = 256
    blocks = (size // 8) ** 2
    comment = b"".join(b"%08x" % chance.getrandbits(32) for _ in range(800))
    return (
        b"\xff\xd8"
        + segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")
        + segment(0xFE, comment)
        + segment(0xDB, b"\0" + bytes([16] * 64))
        + segment(0xC0, struct.pack(">BHHB", 8, size, size, 1) + b"\x01\x11\x00")
        + tables
        + segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
        + bytes(blocks // 2)
        + b"\xff\xd9"
    )
