"""An order and its selectors from TOML that a clerk can write. What a machine knows better is looked up or measured."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.forms import NOTHING, Form
from certificates.consistency import check_order
from certificates.encoding import encode
from certificates.envelope import payload_type, wrap
from certificates.errors import Refused, Untrusted
from certificates.selectors import commitment
from certificates.statements import Order, Selector
from certificates.turns import in_turn

Measure = Callable[[dict[str, Any], dict[str, Any], str], "Measured"]
"""(identity so far, what is selected, the carrier's id) -> what this host finds there; raises Refused."""
SELECTOR_OF = {"files": "files", "image": "path", "database": "path", "luks": "luks", "records": "records"}
"""Kind of identity -> kind of selector."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What this host finds for a carrier: identity facts, objects and bytes."""

    identity: dict[str, Any]
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Draft:
    """An order that nobody has signed, and the selectors that go beside it."""

    order: Order
    selectors: tuple[Selector, ...]
    payload: bytes
    """The order's canonical bytes, which approvers sign."""

    @property
    def envelope(self) -> bytes:
        """The order's envelope before anybody signed."""
        return wrap(payload_type(Order), self.payload, ())


@dataclass(frozen=True, slots=True)
class Means:
    """What a draft is made with."""

    hosts: Mapping[str, str]
    """Host names and the ids they stand for."""
    entropy: Callable[[int], bytes]
    """Source of salts and label keys."""
    measure: Measure | None = None
    """Fills in what the file leaves out."""


def draft(path: Path, means: Means) -> Draft:
    """Return the order in a TOML file; raises Refused naming every fault at once."""
    form = Form(path)
    if "from_survey" in form.tree:
        form.fault("from_survey", "is for a draft from surveys and cards: give --from-survey and --cards")
        form.tree.pop("from_survey")
    return finish(form, form.tree, prepare(form, means))


def prepare(form: Form, means: Means) -> tuple[Selector, ...]:
    """Bring the form's tree into the shape of an order; return the selectors of its carriers."""
    tree = form.tree
    form.convert(tree, "supersedes", "", _digest_of_order(form))
    form.convert(form.table(tree, "decision"), "minutes", "decision", form.attachment)
    form.convert(form.table(tree, "paper"), "scan", "paper", form.attachment)
    form.convert(form.table(tree, "approval"), "authority_limit", "approval", form.money)
    for table, where in form.tables(tree, "assets"):
        form.convert(table, "book_value", where, form.money)
    tree.setdefault("version", 1)
    selectors = [_prepare_carrier(form, table, where, means) for table, where in form.tables(tree, "carriers")]
    return tuple(selector for selector in selectors if selector is not None)


def finish(form: Form, tree: dict[str, Any], selectors: tuple[Selector, ...]) -> Draft:
    """Return the order that a tree holds; raises Refused naming every fault found so far."""
    order = form.finish(tree, Order)
    try:
        check_order(order)
        in_turn(order)
    except Untrusted as error:
        raise Refused(error.reason, **error.facts) from error
    return Draft(order, selectors, encode(order))


def _digest_of_order(form: Form) -> Callable[[Any, str], Any]:
    """Return a change from an order's file name to the order's identity, the digest of its payload."""

    def change(value: Any, where: str) -> Any:
        if not isinstance(value, str) or value.startswith("sha256:"):
            return value
        from agent.files import read_file
        from certificates.envelope import unwrap
        from certificates.errors import Failure

        try:
            return unwrap(read_file(form.path.parent / value, 1 << 20)).digest
        except Failure as error:
            form.fault(where, f"must be sha256:... or an order's file ({error})")
            return NOTHING

    return change


def _prepare_carrier(form: Form, table: dict[str, Any], where: str, means: Means) -> Selector | None:
    """Bring a carrier's table into the shape of the statement; return its selector, if it has one."""
    form.convert(table, "hosts", where, lambda value, at: host_ids(form, value, at, means.hosts))
    form.convert(table, "verification", where, lambda value, at: verification(form, value, at))
    form.convert(table, "scheme", where, lambda value, at: _scheme(form, value, at))
    check_names(form, table, where)
    identity = form.table(table, "identity", where)
    has_selector = "selects" in table
    selects = form.table(table, "selects", where)
    table.pop("selects", None)
    count, size = selects.pop("count", None), selects.pop("size", None)
    if identity.get("kind") == "records":
        from agent.records_form import records_selects

        records_selects(form, selects, f"{where}.selects")
    if identity.get("kind") == "files" and has_selector:
        from agent.selects_form import files_selects

        files_selects(form, selects, f"{where}.selects")
    if means.measure is not None and identity.get("kind"):
        found = means.measure(identity, selects, str(table.get("id")))
        _fill(identity, found.identity)
        count, size = found.count if count is None else count, found.size if size is None else size
    if not has_selector:
        return None
    count, size = count or _count_of(identity, selects), size or _size_of(identity)
    if size is None:
        form.fault(f"{where}.selects.size", "is missing: the bytes selected (or measure on the host with --measure)")
    selector = _selector(form, table, where, _private_part(form, where, identity, selects, means), means)
    if selector is not None:
        table["selector"] = {"commitment": commitment(selector), "count": count, "size": size or 0}
    return selector


def check_names(form: Form, table: dict[str, Any], where: str) -> None:
    """Note a technique or policy that is none: a slip of the pen would be found after everybody has signed."""
    from wipers.policies import POLICIES
    from wipers.techniques import TECHNIQUES

    for key, known in (("technique", [row.id for row in TECHNIQUES]), ("policy", [row.id for row in POLICIES])):
        name = table.get(key)
        if isinstance(name, str) and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            ways = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            form.fault(f"{where}.{key}", f"names {name}, which is not known here; {ways}")


def _private_part(
    form: Form, where: str, identity: dict[str, Any], selects: dict[str, Any], means: Means
) -> dict[str, Any] | None:
    """Return the wire form of what is selected; none for a kind that has no selector."""
    kind = SELECTOR_OF.get(str(identity.get("kind")))
    if kind is None:
        form.fault(f"{where}.selects", "does not go with this kind of carrier: a device is found by its identity")
        return None
    backups: dict[str, Any] = {"header_backups": []} if kind == "luks" else {}
    return backups | selects | {"kind": kind, "label_key": means.entropy(32).hex()}


def _selector(
    form: Form, table: dict[str, Any], where: str, selects: dict[str, Any] | None, means: Means
) -> Selector | None:
    if selects is None:
        return None
    tree = {"carrier": table.get("id"), "salt": means.entropy(32).hex(), "selects": selects}
    return form.read(tree, Selector, where)


def host_ids(form: Form, value: Any, where: str, hosts: Mapping[str, str]) -> Any:
    """Return host ids, with names looked up in the keyring."""
    if not isinstance(value, list):
        return value
    for name in value:
        if isinstance(name, str) and not name.startswith("sha256:") and name not in hosts:
            known = f"one of {', '.join(hosts)}" if hosts else "a name needs --keyring"
            form.fault(where, f"names {name}, which is no host id and no host of the keyring ({known})")
    return [_host_id(name, hosts) for name in value]


def _host_id(name: Any, hosts: Mapping[str, str]) -> Any:
    is_name = isinstance(name, str) and not name.startswith("sha256:")
    return hosts.get(name, NOTHING) if is_name else name


def verification(form: Form, value: Any, where: str) -> Any:
    """Return the wire form of "full", or of a confidence and a fraction in per cent."""
    if value == "full":
        return {"kind": "full"}
    if isinstance(value, dict) and set(value) == {"confidence", "fraction"}:
        ppm = {f"{name}_ppm": _ppm(text) for name, text in value.items()}
        if None not in ppm.values():
            return {"kind": "sampled", **ppm}
    form.fault(where, 'must be "full" or { confidence = "99 %", fraction = "0.1 %" }')
    return {"kind": "full"}


def _scheme(form: Form, value: Any, where: str) -> Any:
    """Return the wire form of a scheme in a file named relative to this one; a table stays."""
    if not isinstance(value, str):
        return value
    from agent.schemes import read_scheme
    from certificates.encoding import encode

    try:
        return json.loads(encode(read_scheme(form.path.parent / value)))
    except (Refused, Untrusted) as error:
        form.fault(where, f"must be a file that holds a scheme ({error.row.en.format_map(error.facts)})")
        return {"id": "none", "name": "none", "passes": [{"kind": "constant", "byte": "00"}], "source": "none"}


def _ppm(text: Any) -> int | None:
    """Return parts per million of a percentage with up to four decimals; none for anything else."""
    if not isinstance(text, str) or not text.endswith("%"):
        return None
    whole, _, rest = text.removesuffix("%").strip().partition(".")
    digits = whole + rest.ljust(4, "0")
    return int(digits) if digits.isascii() and digits.isdigit() and len(rest) <= 4 and whole else None


def _fill(identity: dict[str, Any], found: dict[str, Any]) -> None:
    """Put what was found where nothing is written."""
    for name, value in found.items():
        if isinstance(value, dict):
            _fill(identity.setdefault(name, {}), value)
        else:
            identity.setdefault(name, value)


def _count_of(identity: dict[str, Any], selects: dict[str, Any]) -> Any:
    """Return how many objects are selected, as far as the file says."""
    if identity.get("kind") in ("files", "records"):
        most = identity.get("most_count", identity.get("most_rows"))
        return most if isinstance(most, int) else 0
    backups = selects.get("header_backups", [])
    return 1 + len(backups) if isinstance(backups, list) else 1


def _size_of(identity: dict[str, Any]) -> Any:
    """Return how many bytes are selected, as far as the file says; none where it does not."""
    container = identity.get("container", {})
    places = (identity.get("most_bytes"), identity.get("size"), isinstance(container, dict) and container.get("size"))
    return next((size for size in places if isinstance(size, int) and size is not False), None)
