"""The finance department's list of asset cards, as CSV: every fault named by line and column, all at once."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.files import read_file
from agent.headings import HEADINGS, fen_per_unit, heading_of
from certificates.encoding import digest, read_field
from certificates.errors import Refused, Untrusted
from certificates.render.words import WORDS
from certificates.statements import Id, Text

LARGEST = 64 << 20
MOST_CARDS = 100_000
MOST_FAULTS = 50
"""Faults told at once: more only bury the first."""
HEAD_WITHIN = 20
"""Lines among which the headings are looked for: exports begin with a title and a date."""
ABSENT = frozenset({"", "-", "--", "/", "\\", "0", "n/a", "na", "none", "null", "无", "空", "未知", "不详"})
"""What people write where there is no serial number."""
YES = frozenset({"是", "有", "yes", "y", "true", "1"})
NO = frozenset({"否", "无", "no", "n", "false", "0"})
SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""First bytes of XLSX and of the older XLS."""


@dataclass(frozen=True, slots=True)
class Card:
    """One asset card; an empty cell is none, and what it means is for the order to say."""

    number: str
    """Card number."""
    row: int
    """Line of the list on which it first stands, counted from 1."""
    serials: tuple[str, ...] = ()
    """Serial numbers as written; of drives, or of the machine."""
    chassis: str | None = None
    """Serial number of the machine."""
    asset_tag: str | None = None
    """Asset tag of the machine."""
    label: str | None = None
    """What stands on the object."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Fields of the data asset, and the level and destination of what carries it, in their wire form."""


@dataclass(frozen=True, slots=True)
class CardList:
    """The cards of a list."""

    cards: tuple[Card, ...]
    """Cards, each once."""
    digest: str
    """Digest of the file."""
    ignored: tuple[str, ...]
    """Headings of columns that were not used."""


def key(text: str) -> str:
    """Return what two spellings of one serial number share: no blanks, one case, one width; O and 0 stay apart."""
    return "".join(unicodedata.normalize("NFKC", text).upper().split())


def read_cards(path: Path) -> CardList:
    """Return the cards in a CSV file; raises Refused naming every line and column that is wrong."""
    try:
        data = read_file(path, LARGEST)
    except Untrusted as error:
        raise _wrong(path, [f"it is larger than {LARGEST >> 20} MiB"]) from error
    if data.startswith(SPREADSHEETS):
        raise _wrong(path, ["it is a spreadsheet: save the sheet as CSV UTF-8 (Excel, WPS: Save as), and give that"])
    sheet = _Sheet(path, _text(path, data))
    cards = sheet.cards()
    if sheet.faults:
        more = len(sheet.faults) - MOST_FAULTS
        raise _wrong(path, [*sheet.faults[:MOST_FAULTS], *([f"and {more} more"] if more > 0 else [])])
    return CardList(cards, digest(data), sheet.ignored)


def _wrong(path: Path, faults: Iterable[str]) -> Refused:
    return Refused("draft-wrong", where=path, faults="\n  " + "\n  ".join(faults))


def _text(path: Path, data: bytes) -> str:
    """Return the text: by its byte order mark, else UTF-8 where it is, else GB18030, as spreadsheets here write it."""
    marked = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    named = next((name for mark, name in marked.items() if data.startswith(mark)), None)
    for encoding in (named,) if named else ("utf-8", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return unicodedata.normalize("NFC", text)
    raise _wrong(path, ["its letters are neither UTF-8 nor GB18030: save it as CSV UTF-8"])


class _Sheet:
    """Lines of cells under headings, and the faults found so far."""

    def __init__(self, path: Path, text: str) -> None:
        self.faults: list[str] = []
        self._path = path
        self._lines = list(self._split(text))
        self._head, names = self._find_head()
        self._columns = {heading_of(name): at for at, name in enumerate(names) if heading_of(name)}
        self._names = names
        self.ignored = tuple(name.strip()[:200] for name in names if name.strip() and not heading_of(name))
        self._check_head()

    def _split(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """Yield (line, cells); of the delimiters the one that names the most columns."""
        top = text.split("\n", HEAD_WITHIN)[:HEAD_WITHIN]
        known = {mark: max(len({*map(heading_of, line.split(mark))} - {None}) for line in top) for mark in ",;\t"}
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(known, key=known.__getitem__), strict=True)
        begun = 1
        try:
            for cells in reader:
                yield begun, [cell.strip() for cell in cells]
                begun = reader.line_num + 1
        except csv.Error as error:
            raise _wrong(self._path, [f"line {begun}: it is no CSV ({error})"]) from error

    def _find_head(self) -> tuple[int, list[str]]:
        for at, (_, cells) in enumerate(self._lines[:HEAD_WITHIN]):
            if len({*map(heading_of, cells)} - {None}) >= 2 and "card" in map(heading_of, cells):
                return at, cells
        asked = " / ".join(HEADINGS["card"][:2])
        raise _wrong(self._path, [f"no line among the first {HEAD_WITHIN} has headings, a column {asked} among them"])

    def _check_head(self) -> None:
        for name in {*self._columns}:
            same = [text for text in self._names if heading_of(text) == name]
            if len(same) > 1:
                self.faults.append(f"columns {', '.join(same)} say the same: leave one of them")
        if not {"serial", "chassis", "asset_tag"} & self._columns.keys():
            asked = ", ".join(" / ".join(HEADINGS[name][:2]) for name in ("serial", "chassis", "asset_tag"))
            self.faults.append(f"no column says where a card's data lies: one of {asked}")

    def cards(self) -> tuple[Card, ...]:
        """Return the cards, those that stand on several lines once."""
        found: dict[str, Card] = {}
        for line, cells in self._lines[self._head + 1 :]:
            if not any(cells):
                continue
            card = self._card(line, cells)
            if card is not None:
                found[card.number] = self._joined(found[card.number], card) if card.number in found else card
        if len(found) > MOST_CARDS:
            self.faults.append(f"it has {len(found)} cards; {MOST_CARDS} at most")
        if not found and not self.faults:
            self.faults.append("it has no card below its headings")
        return tuple(found.values())

    def _joined(self, first: Card, again: Card) -> Card:
        """Return a card that has a line for each of its drives."""
        if replace(again, row=first.row, serials=first.serials) != first:
            self.faults.append(f"line {again.row}: card {first.number} stands on line {first.row} with other cells")
        return replace(first, serials=tuple(dict.fromkeys((*first.serials, *again.serials))))

    def _card(self, line: int, cells: list[str]) -> Card | None:
        if len(cells) > len(self._names) and any(cells[len(self._names) :]):
            self.faults.append(f"line {line}: {len(cells)} cells under {len(self._names)} headings")
            return None
        told = {name: cells[at] for name, at in self._columns.items() if name and at < len(cells)}
        number = told.get("card", "")
        if not self._fits(number, Id):
            self._fault(line, "card", "a card number: " + _expected(Id))
            return None
        facts = {name: self._value(line, name, told[name]) for name in VALUES if told.get(name)}
        chassis, asset_tag = (self._identifier(line, name, told.get(name, "")) for name in ("chassis", "asset_tag"))
        label = told.get("label") or None
        if label is not None and not self._fits(label, Id):
            self._fault(line, "label", _expected(Id))
        return Card(number, line, self._serials(line, told.get("serial", "")), chassis, asset_tag, label, facts)

    def _serials(self, line: int, cell: str) -> tuple[str, ...]:
        """Return the serial numbers in a cell: one, or several between signs that no serial number has."""
        parts = [self._identifier(line, "serial", part.strip()) for part in re.split(r"[;；、,，|\n]", cell)]
        return tuple(dict.fromkeys(part for part in parts if part is not None))

    def _identifier(self, line: int, name: str, cell: str) -> str | None:
        if key(cell).lower() in ABSENT:
            return None
        if re.fullmatch(r"[0-9](\.[0-9]+)?E\+?[0-9]+", cell, re.IGNORECASE) and "+" in cell:
            self._fault(line, name, f"the number itself: {cell} is what a spreadsheet makes of it; format it as text")
        elif not self._fits(cell, Text) or len(cell) > 200:
            self._fault(line, name, "a serial number or tag of at most 200 letters")
        return cell

    def _value(self, line: int, name: str, cell: str) -> Any:
        """Return the wire form of a cell."""
        if name == "book_value":
            return self._money(line, cell)
        read, expected = VALUES[name]
        found = read(cell)
        if found is None:
            self._fault(line, name, expected)
        return found

    def _money(self, line: int, cell: str) -> int:
        """Return an amount in 1/100 of the unit; without decimals only under a heading that says in what it counts."""
        unit = fen_per_unit(self._names[self._columns["book_value"]])
        places = {None: (2, 2), 100: (0, 2), 1_000_000: (0, 6)}[unit]
        whole, _, rest = cell.replace("，", ",").removeprefix("¥").removeprefix("￥").partition(".")
        is_grouped = re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})*|[0-9]{1,12}", whole)
        if not is_grouped or not places[0] <= len(rest) <= places[1] or (rest and not re.fullmatch("[0-9]+", rest)):
            expected = "an amount with two decimals, e.g. 12345.00, or the heading must name the unit: 账面价值(元)"
            self._fault(line, "book_value", expected if unit is None else "an amount, e.g. 12345.00")
            return 0
        return int(whole.replace(",", "") + rest.ljust(places[1], "0"))

    def _fits(self, text: str, hint: Any) -> bool:
        try:
            read_field(text, hint, "cell")
        except Untrusted:
            return False
        return True

    def _fault(self, line: int, name: str, expected: str) -> None:
        heading = self._names[self._columns[name]] if name in self._columns else name
        self.faults.append(f"line {line}, column {heading}: must be {expected}")


def _expected(hint: Any) -> str:
    try:
        read_field("", hint, "cell")
    except Untrusted as error:
        return str(error.facts["expected"])
    return "text"


def _coded(group: str, codes: Sequence[str], **also: str) -> tuple[Callable[[str], Any], str]:
    """Return what reads a cell that holds a code, or the words that this program has for it in either language."""
    known = dict(also)
    for code in codes:
        words = WORDS[f"{group}.{code}"]
        chinese = words[1].partition("（")[0]
        known |= {one.lower(): code for one in (code, *words, chinese)}
    return lambda cell: known.get(cell.lower()), "one of " + ", ".join(codes)


def _flag(cell: str) -> bool | None:
    return True if cell.lower() in YES else False if cell.lower() in NO else None


def _words(cell: str) -> str | None:
    return cell if len(cell) <= 2000 and cell.isprintable() else None


def _code(cell: str) -> str | None:
    return cell if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}", cell) else None


DESTINATIONS = ("internal-reuse", "external-reuse", "recycling", "manufacturer", "destruction-body", "storage")
VALUES: dict[str, tuple[Callable[[str], Any], str]] = {
    "name": (_words, "text of at most 2000 letters"),
    "code": (_code, "a classification code, e.g. A02010500"),
    "catalogue_id": (_code, "an identifier of ASCII letters, digits and . _ : + -"),
    "grade": _coded("grade", ("core", "important", "general"), 核心="core", 重要="important", 一般="general"),
    "secrecy": _coded(
        "secrecy",
        ("none", "suspected", "declared"),
        **dict.fromkeys(("无", "非密", "不涉密", "否", "no"), "none"),
        **dict.fromkeys(("疑似", "待定"), "suspected"),
        **dict.fromkeys(("秘密", "机密", "绝密", "涉密", "是", "yes"), "declared"),
    ),
    "personal_information": (_flag, "是 or 否, yes or no"),
    "book_value": (_words, "an amount"),
    "level": _coded("level", ("clear", "purge"), 清除="clear", 净化="purge", 逻辑清除="clear"),
    "destination": _coded("destination", DESTINATIONS),
}
"""Field -> what reads its cell, and what is expected there."""
