"""The rules of the house, as functions from a module's source to what breaks them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("certificates", "wipers", "agent", "server_stub")

LONGEST_FUNCTION = 40
LONGEST_MODULE = 400

MAY_IMPORT = {
    "certificates": {"certificates"},
    "wipers": {"certificates", "wipers"},
    "agent": {"certificates", "wipers", "agent"},
    "server_stub": {"certificates", "server_stub"},
}
THE_WORDS = (
    "certificates.statements",
    "certificates.claims",
    "certificates.errors",
    "certificates.sampling",
    "certificates.anchors",
)
THE_DIGEST = "certificates.encoding.digest"

# What only the Linux host adapter may reach for.
HOT_MODULES = ("ctypes", "fcntl", "pyudev", "subprocess")
HOT_CALLS = ("os.open", "os.system", "os.popen", "os.posix_spawn", "os.fork", "fcntl.ioctl")
# What the wipers besides may only do through a Host: the other rooms read and write files of their own.
HOST_ONLY_MODULES = ("sqlite3",)
HOST_ONLY_CALLS = ("open", "io.open")
FILE_METHODS = ("read_bytes", "read_text", "write_bytes", "write_text")
# Modules outside the hot room that may use one of them all the same, each with the reason.
MAY_TOUCH: dict[str, dict[str, str]] = {
    "wipers.buffers": {
        "ctypes": "memcmp, which lets the other threads run meanwhile; it reaches memory and nothing else"
    },
    "agent.lines": {
        "os.open": "the agent's own files: follow no link, 0600 from the first moment, fsync the directory"
    },
    "certificates.__main__": {"os.open": "what people hand over: wait for nobody who might write to a pipe"},
    "server_stub.directory": {"os.open": "the registry's own keys: 0600 from the first moment, fsync the directory"},
}

# What would give the pen a disk, a network, a clock or chance.
IMPURE_MODULES = (
    "http",
    "os",
    "random",
    "requests",
    "secrets",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "time",
    "urllib.request",
    "uuid",
)
IMPURE_CALLS = (
    "open",
    "io.open",
    "date.today",
    "datetime.now",
    "datetime.today",
    "datetime.utcnow",
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "os.urandom",
    "time.time",
)

VAGUE_WORDS = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "handler", "handlers"}


@dataclass(frozen=True, slots=True)
class Module:
    """One source file, as text and as a tree, with the dotted name it is imported by."""

    name: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]
    """The whole tree, walked once for all the rules."""

    @property
    def room(self) -> str:
        return self.name.split(".")[0]


def module(name: str, text: str) -> Module:
    """The module that this text would be under that name."""
    tree = ast.parse(text)
    return Module(name, text, tree, tuple(_walked(tree)))


def _walked(tree: ast.Module) -> list[ast.AST]:
    """Every node, outer ones first, as `ast.walk` yields them in three times the time, but for bare contexts."""
    nodes: list[ast.AST] = [tree]
    for node in nodes:
        for value in vars(node).values():
            if isinstance(value, list):
                nodes += [one for one in value if isinstance(one, ast.AST)]
            elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
                nodes.append(value)
    return nodes


def modules(*rooms: str) -> list[Module]:
    """Every module there is in the named rooms, or in all."""
    return [source for room in rooms or ROOMS for source in _modules_of(room)]


@cache
def _modules_of(room: str) -> tuple[Module, ...]:
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found.append(module(dotted, path.read_text(encoding="utf-8")))
    return tuple(found)


def imports(source: Module) -> Iterator[str]:
    """Every dotted name that is imported anywhere in the module, also inside functions and for types only."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield f"{source.room}.(relative)"
                continue
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(source: Module) -> Iterator[tuple[str, int]]:
    """Every call as the dotted name it is written with, and its line; `?` stands for what has no name."""
    for node in source.nodes:
        if isinstance(node, ast.Call):
            yield dotted(node.func), node.lineno


def dotted(node: ast.expr) -> str:
    """`a.b.c` for an attribute chain; a part that is not a name is `?`."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{dotted(value)}.{attribute}"
        case _:
            return "?"


def is_within(name: str, package: str) -> bool:
    """Whether the dotted name is the package or stands below it."""
    return name == package or name.startswith(f"{package}.")


def broken_charter(source: Module) -> list[str]:
    """A room opens with a sentence, what it imports and what it touches; three lines and no more."""
    lines = [line.strip() for line in (ast.get_docstring(source.tree) or "").splitlines() if line.strip()]
    starts = ("", "Imports: ", "Touches: ")
    holds = len(lines) == 3 and all(line.startswith(start) for line, start in zip(lines, starts, strict=True))
    return [] if holds and lines[0].endswith(".") else [f"{source.name}: the charter is not its three lines"]


def wrong_imports(source: Module) -> list[str]:
    """A room imports the rooms below it; wipers import the words of certificates, never the pen."""
    found = []
    for name in imports(source):
        room = name.split(".")[0]
        if name.endswith(".(relative)"):
            found.append(f"{source.name}: a relative import hides which wall it goes through")
        elif room in ROOMS and room not in MAY_IMPORT[source.room]:
            found.append(f"{source.name} imports {name}")
        elif source.room == "wipers" and room == "certificates" and not _is_of_the_words(name):
            found.append(f"{source.name} imports {name}, which is not of the words")
    return found


def _is_of_the_words(name: str) -> bool:
    return is_within(name, THE_DIGEST) or any(is_within(name, word) for word in THE_WORDS)


def needless_exceptions() -> list[str]:
    """An exception that its module no longer needs is an open door."""
    sources = {source.name: source for source in modules()}
    return [
        f"{name} does not use {what}"
        for name, exceptions in MAY_TOUCH.items()
        for what in exceptions
        if name not in sources or what not in {*imports(sources[name]), *(called for called, _ in calls(sources[name]))}
    ]


def forged_warrants(source: Module) -> list[str]:
    """A warrant proves that approvals were counted, so only the module that counts them makes one."""
    if source.name == "agent.authorize":
        return []
    made = [f"{source.name}:{line} makes a Warrant" for name, line in calls(source) if name.split(".")[-1] == "Warrant"]
    renamed = [
        f"{source.name}:{node.lineno} renames Warrant"
        for node in source.nodes
        if isinstance(node, ast.alias) and node.name == "Warrant" and node.asname
    ]
    return made + renamed


def hot_outside_the_hot_room(source: Module) -> list[str]:
    """Devices, drivers and programs are reached from wipers/linux and nowhere else."""
    if is_within(source.name, "wipers.linux"):
        return []
    allowed = MAY_TOUCH.get(source.name, {})
    hosted = source.room == "wipers"
    hot_modules = (*HOT_MODULES, *(HOST_ONLY_MODULES if hosted else ()))
    hot_calls = {*HOT_CALLS, *(HOST_ONLY_CALLS if hosted else ())}
    found = [
        f"{source.name} imports {hot}"
        for name in imports(source)
        for hot in hot_modules
        if is_within(name, hot) and hot not in allowed
    ]
    for name, line in calls(source):
        is_file = hosted and name.split(".")[-1] in FILE_METHODS
        if (name in hot_calls or is_file) and name not in allowed:
            found.append(f"{source.name}:{line} calls {name}")
    return found


def impure(source: Module) -> list[str]:
    """The pen has no disk, network, clock or chance; only the auditor's command has."""
    if source.name == "certificates.__main__":
        return []
    found = [
        f"{source.name} imports {name}"
        for name in imports(source)
        for banned in IMPURE_MODULES
        if is_within(name, banned)
    ]
    for name, line in calls(source):
        if name in IMPURE_CALLS or name.split(".")[-1] in FILE_METHODS:
            found.append(f"{source.name}:{line} calls {name}")
    return found


def second_http_client(source: Module) -> list[str]:
    """The registry is reached through one port."""
    if source.name == "agent.registry":
        return []
    clients = ("aiohttp", "httpx", "requests", "urllib.request", "urllib3")
    return [f"{source.name} imports {name}" for name in imports(source) if any(is_within(name, one) for one in clients)]


def vague_names(source: Module) -> list[str]:
    """A name says what the thing is for."""
    defined = [
        node.name for node in source.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    return [f"{source.name}: {name}" for name in [*source.name.split("."), *defined] if words(name) & VAGUE_WORDS]


def words(name: str) -> set[str]:
    """The words of a snake_case or CamelCase name, in small letters."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def too_long(source: Module) -> list[str]:
    """A function's body without its docstring, and a module, stay within what a reader holds in mind."""
    found = []
    length = len(source.text.splitlines())
    if length > LONGEST_MODULE:
        found.append(f"{source.name}: {length} lines")
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            if lines > LONGEST_FUNCTION:
                found.append(f"{source.name}.{node.name}: {lines} lines")
    return found
