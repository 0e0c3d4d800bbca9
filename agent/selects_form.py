"""Which files a draft selects: names, patterns, a list or a manifest, each fault told by its key."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from agent.forms import NOTHING, Form
from certificates.errors import Refused

WAYS = ("names", "globs", "list", "manifest")
"""Keys of which at least one says what is selected."""


def files_selects(form: Form, selects: dict[str, Any], where: str) -> None:
    """Bring what selects files into the shape of the statement: a list or manifest is bound by its digest."""
    for key in ("list", "manifest"):
        if key in selects:
            selects[key] = _bound(form, selects[key], f"{where}.{key}", is_manifest=key == "manifest")
    if not any(selects.get(key) for key in WAYS):
        form.fault(where, f"selects nothing: give {', '.join(WAYS[:-1])} or {WAYS[-1]}")
    if "manifest" in selects and any(selects.get(key) for key in WAYS[:-1]):
        form.fault(f"{where}.manifest", "stands alone: every file of it has a digest, what else is named has none")
    for number, name in enumerate(_texts(selects.get("globs")), start=1):
        if name.startswith("/") or {".", ".."} & set(name.split("/")):
            form.fault(f"{where}.globs[{number}]", "must be relative to the root, without . or .. in it")
    selects.setdefault("names", [])


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _bound(form: Form, value: Any, where: str, *, is_manifest: bool) -> Any:
    """Return path and digest of a file named relative to the draft; a table of both stays as it is written."""
    if not isinstance(value, str):
        return value
    path = (form.path.parent / value).resolve()
    try:
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        form.fault(where, f"must be a file that can be read ({path}: {error.strerror})")
        return {"path": str(path), "digest": NOTHING}
    _look_over(form, path, digest, where, is_manifest=is_manifest)
    return {"path": str(path), "digest": digest}


def _look_over(form: Form, path: Path, digest: str, where: str, *, is_manifest: bool) -> None:
    """Note what would make the run refuse the file: a line that is no name, or nothing in it."""
    from certificates.statements import NamesFile
    from wipers.linux.selection import listed, manifested

    names = (manifested if is_manifest else listed)(NamesFile(str(path), digest))
    try:
        if not sum(1 for _ in names):
            form.fault(where, "holds no name")
    except Refused as error:
        form.fault(where, f"cannot be used: {error.facts.get('detail', error.reason)}")
