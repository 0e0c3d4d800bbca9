"""The documentation tells the truth: what it shows can be typed, what it links is there, what it names exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from agent.cli import main as agent_command
from certificates.__main__ import main as audit_command
from certificates.render.words import WORDS
from certificates.statements import Grade, Level, Media, Method, Outcome, Role, Secrecy
from server_stub.__main__ import main as registry_command
from tests.support.house_rules import ROOMS, ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
COMMANDS: dict[str, click.Command] = {
    "expunge": agent_command,
    "expunge-registry": registry_command,
    "expunge-audit": audit_command,
}
TAKEN_FOR_GRANTED = {"expunge-audit": "audit"}
"""Commands whose first word may be left out."""
PLACES = (*ROOMS, "benchmarks", "docs", "scripts", "tests", "packaging", "requirements")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    kind: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, with the word behind the fence."""
    for found in re.finditer(r"^ *```(\w*)\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        yield Block(page, found[1], found[2])


def commands(block: Block) -> Iterator[list[str]]:
    """The words of every command in a block: in `console`, lines behind a prompt; in `bash`, all lines."""
    if block.kind not in ("console", "bash"):
        return
    text = block.text.replace("\\\n", " ")
    for line in text.splitlines():
        shown = re.match(r"\s*\$ (.*)", line)
        if block.kind == "console" and not shown:
            continue
        for part in re.split(r"\|\||&&|[|;]", re.sub(r"\s#.*", "", shown[1] if shown else line)):
            words = part.split()
            while words and (words[0] in ("sudo", "do", "then") or re.match(r"\w+=", words[0])):
                words = words[1:]
            if words:
                yield [words[0].removeprefix(".venv/bin/"), *words[1:]]


def fault_of(words: list[str]) -> str | None:
    """What is wrong with a command as it is shown; none for one of somebody else."""
    name, *rest = words
    if name.startswith(("scripts/", "benchmarks/")):
        return None if (ROOT / name).is_file() else f"there is no {name}"
    command = COMMANDS.get(name)
    if command is None:
        return None
    known = options_of(command)
    for word in rest:
        if word.startswith("-") and word != "-":
            if word.split("=")[0] not in known:
                return f"{name} has no option {word}"
        elif isinstance(command, click.Group):
            context = click.Context(command)
            below = command.get_command(context, word) or command.get_command(context, TAKEN_FOR_GRANTED.get(name, ""))
            if below is None:
                return f"{name} has no command {word}"
            name, command = f"{name} {word}", below
            known |= options_of(command)
    return None


def options_of(command: click.Command) -> set[str]:
    names = {name for one in command.params for name in (*one.opts, *one.secondary_opts) if name.startswith("-")}
    return names | {"--help", "-h"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_that_are_shown_exist(page: Path) -> None:
    """Whoever copies a line from a page must not learn that the program has moved on."""
    faults = [fault for block in blocks(page) for words in commands(block) if (fault := fault_of(words))]
    assert faults == []


@pytest.mark.parametrize(
    "line",
    [
        "expunge no-such-command",
        "expunge --no-such-option techniques",
        "sudo expunge key new FILE --no-such-option",
        "scripts/no-such-script",
        "true && expunge key no-such-command",
        "expunge key new a \\\n  --no-such-option",
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    """The check above sees pipes, prompts, continued lines and subcommands."""
    for block in (Block(ROOT, "bash", f"{line}\n"), Block(ROOT, "console", f"$ {line}\noutput\n")):
        assert [fault for words in commands(block) if (fault := fault_of(words))] != []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_help_that_is_shown_is_what_the_program_prints(page: Path) -> None:
    """A copied help page grows old; this one cannot."""
    for block in blocks(page):
        for asked, shown in re.findall(r"^\$ (expunge[^\n]*--help)\n(.*?)(?=^\$ |\Z)", block.text, re.M | re.S):
            name, *rest = asked.split()
            printed = CliRunner().invoke(COMMANDS[name], rest, prog_name=name, terminal_width=80).output
            assert shown.strip() == printed.strip()


def slugs(page: Path) -> set[str]:
    """The anchors that a page's headings get."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_between_pages_resolve(page: Path) -> None:
    """A link into nothing sends the reader away at the moment of a question."""
    text = re.sub(r"`[^`\n]*`", "", page.read_text(encoding="utf-8"))
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        place = (page.parent / target).resolve() if target else page
        if not place.exists() or (anchor and place.suffix == ".md" and anchor not in slugs(place)):
            broken.append(link)
    assert broken == []


def ticked(page: Path) -> list[str]:
    """What stands in back quotes on a page, outside of blocks."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_that_are_named_exist(page: Path) -> None:
    """A page that points at a module which was renamed is worse than none."""
    paths = [word.rstrip("/").split(":")[0] for word in ticked(page) if re.fullmatch(r"[\w./-]+/[\w./:-]*", word)]
    ours = [path for path in paths if path.split("/")[0] in PLACES and "..." not in path]
    assert [path for path in ours if not (ROOT / path).exists()] == []


def test_tests_that_are_named_exist() -> None:
    """`shown by test_x` is a claim like any other."""
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = {name for text in sources for name in re.findall(r"def (test_\w+)", text)}
    claimed = {word for page in PAGES for word in ticked(page) if re.fullmatch(r"test_\w+", word)}
    assert claimed - there == set()


def test_every_decision_is_listed_and_says_what_lost() -> None:
    """Numbers without gaps, a line each in the list, and the losing option named: that makes it a decision."""
    folder = ROOT / "docs" / "adr"
    decisions = sorted(folder.glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    listed = re.findall(r"\]\((\d{4}-[^)]+)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert listed == [path.name for path in decisions]
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]} "), path.name
        assert "\n## What lost\n" in text, path.name


GLOSSARY = ROOT / "docs" / "glossary.md"
CODED: dict[str, str] = {
    "Levels": "level",
    "Outcomes": "outcome",
    "Media": "media",
    "Methods": "method",
    "Kinds of carrier": "kind",
    "Grades": "grade",
    "Secrecy": "secrecy",
    "Roles": "role",
    "Classes of checks": "class",
    "Checks of an audit": "check-name",
    "Residual": "residual",
    "Conditions of cryptographic erase": "condition",
}
NO_CODES = {"level.none", "level.both"}


@pytest.mark.parametrize("heading", CODED)
def test_the_glossary_has_every_code_in_the_programs_words(heading: str) -> None:
    """A reader of a certificate looks up the word that stands on it."""
    group = CODED[heading]
    section = GLOSSARY.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = {code: (en, zh) for code, en, zh in re.findall(r"^\| `([\w-]+)` \| (.+?) \| (.+?) \|", section, re.M)}
    used = {key.split(".", 1)[1]: words for key, words in WORDS.items() if key.split(".")[0] == group}
    assert rows == {code: words for code, words in used.items() if f"{group}.{code}" not in NO_CODES}


def test_the_glossary_has_every_code_of_the_statements() -> None:
    """A code that was added to the vocabulary needs its two words and its meaning."""
    text = GLOSSARY.read_text(encoding="utf-8")
    codes = {code.value for kind in (Level, Outcome, Media, Method, Grade, Secrecy, Role) for code in kind}
    assert [code for code in sorted(codes) if f"| `{code}` |" not in text] == []


# Second words for one idea, written in parts so that this file does not use them.
SECOND_WORDS = ("冻" + "结", "密钥" + "环", "选择" + "器", "登记" + "中心", "校" + "验", "监" + "督人")


def test_one_idea_has_one_chinese_word() -> None:
    """A reader who meets two words looks for two things."""
    sources = [*PAGES, *(path for room in (*ROOMS, "docs", "scripts") for path in (ROOT / room).rglob("*.*"))]
    texts = {path: path.read_bytes() for path in sources if path.suffix in (".md", ".py", ".sh", ".toml")}
    assert [
        f"{named(path)}: {word}" for path, text in texts.items() for word in SECOND_WORDS if word.encode() in text
    ] == []


def test_every_test_that_stands_against_a_burn_exists() -> None:
    """A promise with the name of a test is worth what the test is."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", (ROOT / "docs" / "burns.md").read_text(encoding="utf-8"))
    assert len(named) > 30
    sources = {path: (ROOT / path).read_text(encoding="utf-8") for path, _ in named}
    assert [name for path, name in named if f"def {name}(" not in sources[path]] == []
