"""Samples and finds as the evidence lists them: by number, label and place, never what they are."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from certificates.encoding import digest
from certificates.errors import Untrusted
from certificates.statements import NeedlesRecord, ResidueHunt

LISTED = 10_000
"""Finds that the evidence lists; of a hunt with more it lists the first."""
_MOST_BYTES = 4 << 20
_LABEL = re.compile("[0-9a-f]{64}")
_OF_CONTENTS = {"label", "length", "number", "offset", "sort", "stream"}
_OF_NAMES = {"label", "number", "sort"}
_OF_FINDS = {"device", "form", "label", "number", "place", "position"}

Labels = dict[int, tuple[str, str]]
"""By the number of a sample, its sort and its label."""


def check_labels(taken: NeedlesRecord, files: Mapping[str, bytes]) -> Labels:
    """Return the samples that the evidence lists, found to be as many as the record says; raises Untrusted."""
    name = f"needles-{taken.step}.jsonl"
    listed = _lines(name, files[name]) if name in files else []
    labels: Labels = {}
    for at, line in enumerate(listed):
        wanted = _OF_CONTENTS if line.get("sort") == "contents" else _OF_NAMES
        is_sort = line.get("sort") in {"contents", "names"}
        if set(line) != wanted or not is_sort or line["number"] != at or not _is_label(line["label"]):
            raise _wrong(name)
        if any(not _is_count(line[field]) for field in ("length", "offset", "stream") if field in line):
            raise _wrong(name)
        labels[at] = (line["sort"], line["label"])
    counts = Counter(sort for sort, _ in labels.values())
    if (counts["contents"], counts["names"]) != (taken.needles, taken.names):
        raise _wrong(name)
    return labels


def check_found(hunt: ResidueHunt, labels: Labels, files: Mapping[str, bytes]) -> None:
    """The finds that the evidence lists are those that the check counts; raises Untrusted."""
    name = f"hunt-{hunt.step}.jsonl"
    counted: Counter[tuple[str, str]] = Counter({(hits.sort, hits.place): hits.count for hits in hunt.hits})
    total = counted.total()
    if len(counted) != len(hunt.hits) or any(hits.count < 1 for hits in hunt.hits) or hunt.unread_size > hunt.size:
        raise _wrong(name)
    data = files.get(name, b"")
    if hunt.located != (digest(data) if data else None) or bool(data) != bool(total):
        raise _wrong(name)
    listed = Counter(_find(name, line, labels, hunt.size) for line in _lines(name, data))
    if listed.total() != min(total, LISTED) or listed - counted:
        raise _wrong(name)


def _find(name: str, line: dict[str, Any], labels: Labels, size: int) -> tuple[str, str]:
    """Return sort and place of a find; raises Untrusted where it is none of a sample that was taken."""
    if set(line) != _OF_FINDS or not all(_is_count(line[field]) for field in ("device", "number", "position")):
        raise _wrong(name)
    sort, label = labels.get(line["number"], ("", ""))
    if line["label"] != label or not sort or line["position"] >= size:
        raise _wrong(name)
    return sort, str(line["place"])


def _lines(name: str, data: bytes) -> list[dict[str, Any]]:
    if len(data) > _MOST_BYTES:
        raise Untrusted("document-too-large", size=len(data), most=_MOST_BYTES)
    try:
        found = [json.loads(line) for line in data.splitlines()]
    except ValueError as error:
        raise _wrong(name) from error
    if not all(isinstance(line, dict) for line in found):
        raise _wrong(name)
    return found


def _is_label(found: object) -> bool:
    return isinstance(found, str) and bool(_LABEL.fullmatch(found))


def _is_count(found: object) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and found >= 0


def _wrong(name: str) -> Untrusted:
    return Untrusted("binding-broken", document="evidence", field=name)
