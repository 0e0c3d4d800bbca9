"""A keyring from TOML: persons with their public key files, hosts, logs, and rules; what is left out has defaults."""

from __future__ import annotations

import base64
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.files import read_file
from agent.forms import Form
from certificates.encoding import decode, format_time
from certificates.envelope import Sealed, unwrap
from certificates.errors import Refused, Untrusted
from certificates.keyring import Chain, check_chain, check_keyring
from certificates.statements import Algorithm, Keyring, Role

LARGEST = 4 << 20
ROLES = tuple(role.value for role in Role)

BY_KEYS = {"approver": 2, "security-officer": 1}
BY_FEWER_KEYS = {"approver": 1, "security-officer": 1}
ON_PAPER = {"registrar": 2, "security-officer": 1, "paper": True}

DEFAULT_RULES: tuple[dict[str, Any], ...] = tuple(
    {"level": level, "grade": grade, "any_of": [dict(keys), dict(ON_PAPER)], "witnesses": witnesses}
    for level in ("clear", "purge")
    for grade, keys, witnesses in (("general", BY_FEWER_KEYS, 0), ("important", BY_KEYS, 2), ("core", BY_KEYS, 2))
)
"""Nobody alone, whatever the grade; two witnesses where the data is important or core."""


def read_keyring(path: Path, now: datetime, previous: Sealed[Keyring] | None = None) -> Keyring:
    """Return the keyring in a TOML file, the next after `previous`; raises Refused naming every fault at once."""
    form = Form(path)
    tree = form.tree
    validity = form.table(tree, "validity")
    tree.pop("validity", None)
    tree |= {"version": previous.statement.version + 1 if previous else 1}
    if previous is not None:
        tree["previous"] = previous.digest
    tree.setdefault("issued_at", now)
    tree.setdefault("keepers", 2)
    for table, where in form.tables(tree, "persons"):
        _person(form, table, where, validity)
    for name in ("hosts", "logs"):
        tree[name] = tree.get(name, [])
        for table, where in form.tables(tree, name):
            form.convert(table, "key", where, lambda value, at: _key(form, value, at, validity))
    tree["hold_keys"] = [_key(form, value, f"hold_keys[{n}]", validity) for n, value in _each(tree, "hold_keys")]
    rules = form.tables(tree, "rules") if "rules" in tree else [(dict(rule), "rules") for rule in DEFAULT_RULES]
    tree["rules"] = [_rule(form, rule, where) for rule, where in rules]
    tree["signers"] = _signers(form, tree, previous)
    keyring = form.finish(tree, Keyring)
    try:
        check_keyring(keyring)
    except Untrusted as error:
        raise Refused(error.reason, **error.facts) from error
    return keyring


def _each(tree: dict[str, Any], name: str) -> list[tuple[int, Any]]:
    found = tree.get(name, [])
    return list(enumerate(found if isinstance(found, list) else [found], start=1))


def _person(form: Form, table: dict[str, Any], where: str, validity: dict[str, Any]) -> None:
    """Bring a person's table into the statement's shape: one key and its roles, or a list of keys."""
    form.convert(table, "authority", where, form.money)
    roles = table.pop("roles", None)
    single = table.pop("key", None)
    keys = [{"file": single}] if single is not None else table.get("keys", [])
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        form.fault(f"{where}.keys", "must be a list of tables, each with a file")
        keys = []
    table["keys"] = [
        {"key": _key(form, key, f"{where}.key", validity), "roles": _roles(form, key.get("roles", roles), where)}
        for key in keys
    ]


def _roles(form: Form, roles: Any, where: str) -> Any:
    if not isinstance(roles, list) or not roles or any(role not in ROLES for role in roles):
        form.fault(f"{where}.roles", "must be a list of " + ", ".join(ROLES))
        return ["auditor"]
    return roles


def _key(form: Form, value: Any, where: str, validity: dict[str, Any]) -> Any:
    """Return the wire form of a public key from its file and validity."""
    table = value if isinstance(value, dict) else {"file": value}
    times = {
        name: table.get(name, validity.get(name))
        for name in ("not_before", "not_after", "revoked_at")
        if table.get(name, validity.get(name)) is not None
    }
    for name in table.keys() - {"file", "spki", "roles", "not_before", "not_after", "revoked_at"}:
        form.fault(f"{where}.{name}", "is not known here")
    return times | _public(form, table, where)


def _public(form: Form, table: dict[str, Any], where: str) -> dict[str, Any]:
    """Return id, algorithm and SubjectPublicKeyInfo of the key in a file, or of the one written here in base64."""
    from agent.keys import load_public, parse_public
    from certificates.signers import key_id_of

    spki, algorithm = b"", Algorithm.ED25519
    try:
        if isinstance(table.get("file"), str):
            spki, algorithm = load_public(form.path.parent / table["file"])
        elif isinstance(table.get("spki"), str):
            spki, algorithm = parse_public(table["spki"])
        else:
            form.fault(where, 'must name a public key file (FILE.pub), or be { spki = "<base64>" }')
    except Refused as error:
        form.fault(where, f"is no usable key: {error.facts['where']}: {error.facts['detail']}")
    return {"id": key_id_of(spki), "algorithm": algorithm.value, "spki": base64.b64encode(spki).decode()}


def _rule(form: Form, rule: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the wire form of a rule, whose alternatives are tables such as { approver = 2, security-officer = 1 }."""
    alternatives = rule.pop("any_of", None)
    if not isinstance(alternatives, list) or not all(isinstance(one, dict) for one in alternatives):
        form.fault(f"{where}.any_of", "must be a list such as [{ approver = 2, security-officer = 1 }]")
        alternatives = []
    rule.setdefault("witnesses", 0)
    rule["alternatives"] = [_alternative(form, dict(one), f"{where}.any_of") for one in alternatives]
    return rule


def _alternative(form: Form, counts: dict[str, Any], where: str) -> dict[str, Any]:
    is_paper = counts.pop("paper", False)
    for role, count in counts.items():
        if role not in ROLES or not isinstance(count, int) or isinstance(count, bool) or count < 1:
            form.fault(f"{where}.{role}", "must be a role and how many persons, e.g. approver = 2")
    needs = [{"role": role, "count": count} for role, count in counts.items() if role in ROLES]
    return {"requirements": needs, "paper": is_paper}


def _signers(form: Form, tree: dict[str, Any], previous: Sealed[Keyring] | None) -> Any:
    """Return who signs: the keepers named, or all keepers of this keyring and of the one before."""
    named = tree.get("signers")
    if named is None:
        named = [
            table["id"]
            for table, _ in form.tables(tree, "persons")
            if "id" in table and any("keeper" in key["roles"] for key in table["keys"])
        ]
        before = previous.statement.persons if previous else ()
        named += [p.id for p in before if p.id not in named and any(Role.KEEPER in key.roles for key in p.keys)]
    if not isinstance(named, list) or len(named) < 2:
        form.fault("signers", "must be two or more keepers: give the role keeper to so many persons")
        return [{"id": "nobody", "role": "keeper"}] * 2
    return [{"id": person, "role": "keeper"} for person in named]


def read_chain(paths: tuple[Path, ...]) -> Chain:
    """Return the chain in keyring files or a folder of them, its first taken as root; raises Refused or Untrusted."""
    files = [file for path in paths for file in (_in_order(path) if path.is_dir() else [path])]
    envelopes = [read_file(file, LARGEST) for file in files]
    if not envelopes:
        raise Untrusted("keyring-missing")
    return check_chain(envelopes, unwrap(envelopes[0], LARGEST).digest)


def _in_order(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.dsse.json"), key=lambda path: (len(path.name), path.name))


def peek(envelope: bytes) -> Keyring:
    """Return what a keyring envelope says, without any trust in it; raises Untrusted."""
    return decode(unwrap(envelope, LARGEST).payload, Keyring)


def told(keyring: Keyring) -> dict[str, object]:
    """Return a keyring in short, for people and programs."""
    return {
        "site": keyring.site,
        "version": keyring.version,
        "issued_at": format_time(keyring.issued_at),
        "persons": len(keyring.persons),
        "hosts": len(keyring.hosts),
        "keepers_needed": keyring.keepers,
    }
