"""Pages made from the code: every command with its help, every reason with what it means and what to do next."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import click

from agent.cli import main
from agent.cli.catalogue import counted, reaches
from agent.cli.exits import EXITS, NAMES, PRECEDENCE
from agent.cli.fillings import final_state, passes
from agent.cli.groups import TableGroup
from agent.cli.screen import Screen
from certificates.reasons import REASONS
from certificates.statements import Media
from tests.support.house_rules import dotted, modules
from wipers.model import Technique
from wipers.policies import POLICIES, SanitizationPolicy
from wipers.techniques import TECHNIQUES

WIDTH = 100
RAISED_AS = {"Obstacle": "Refused", "Lost": "Interrupted", "GivenUp": "Interrupted"} | {
    kind.__name__: kind.__name__ for kind in EXITS
}
"""Call that names a reason -> family in which a person meets it."""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and group by its full name, in the table's order."""
    yield "expunge", main
    yield from _below(main, "expunge")


def _below(group: TableGroup, name: str) -> Iterator[tuple[str, click.Command]]:
    for word, row in group.rows.items():
        found = group.get_command(click.Context(group), word)
        assert found is not None
        yield f"{name} {word}", found
        if row.below:
            assert isinstance(found, TableGroup)
            yield from _below(found, f"{name} {word}")


def help_of(name: str, command: click.Command) -> str:
    """The help page, at a fixed width and in English."""
    context = click.Context(
        command,
        info_name=name,
        obj=Screen(language="en"),
        max_content_width=WIDTH,
        terminal_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    return command.get_help(context)


def cli_page() -> str:
    """docs/cli.md."""
    parts = [
        "# The command line\n",
        "Made from the code by `scripts/generate`. `--json`, `--lang`, `--quiet` and `--site` may stand before or",
        "behind a command. Results go to stdout, messages and progress to stderr. `NO_COLOR` is honoured. The forms of",
        "`--json` are in [schemas/cli](schemas/cli). Exit codes are explained in [errors.md](errors.md).\n",
        'Completion: `eval "$(_EXPUNGE_COMPLETE=bash_source expunge)"` (or `zsh_source`, `fish_source`).\n',
    ]
    for name, command in commands():
        parts += [f"## {name}\n", "```text", help_of(name, command), "```\n"]
    return "\n".join(parts)


def families() -> dict[str, list[str]]:
    """Reason -> families that it is raised in, read from the source."""
    found: dict[str, set[str]] = {}
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                kind = RAISED_AS.get(dotted(node.func).split(".")[-1])
                reason = node.args[0].value
                if kind and isinstance(reason, str) and reason in REASONS:
                    found.setdefault(reason, set()).add(kind)
    return {reason: sorted(kinds) for reason, kinds in found.items()}


def errors_page() -> str:
    """docs/errors.md."""
    kinds = families()
    lines = [
        "# Exit codes and reasons\n",
        "Made from the code by `scripts/generate`. The family answers the first question: was anything touched?\n",
        "| exit | family | 类别 | state of the data |",
        "|---|---|---|---|",
        "| 0 | | | done, proven, recorded |",
        "| 1 | unexpected | 意外错误 | a bug; the traceback is in the file that the message names |",
        "| 2 | usage | 用法错误 | the command line was not understood; nothing was done |",
    ]
    lines += [f"| {code} | {kind.__name__} | {NAMES[kind]} | {kind.state} |" for kind, code in EXITS.items()]
    order = ", ".join(str(code) for code in (*PRECEDENCE, 0))
    lines += [f"\nOf several carriers the exit is the first of {order} that is present.\n"]
    lines += ["## Reasons\n", "`--json` gives the reason, its facts and the exit as `error`.\n"]
    for reason, row in sorted(REASONS.items()):
        lines += [
            f"### {reason}\n",
            "".join(f"{kind}. " for kind in kinds.get(reason, [])) + f"{_shown(row.en)}. {_shown(row.next_en)}.\n",
            f"{_shown(row.zh)}。{_shown(row.next_zh)}。\n",
        ]
    return "\n".join(lines).rstrip() + "\n"


INTRODUCTION = """# Techniques

Made from the code by `scripts/generate`; `expunge techniques` lists the same. An order names a technique by its id, or
none: the host then takes the first row below that reaches the ordered level. Rows marked *only where named* are never
taken by themselves.

* **A name is a label, not a statement of compliance.** What a run proves follows from what was read back, by the rule
  book alone; no number of passes raises it. The certificate lists the bytes of every pass, in the order in which they
  were written, and says which technique's label the order used.
* **The last pass stays.** It is the one that is read back, and nothing is appended to it.
* *Bytes repeated* are aligned to offset 0: byte n of the medium is byte n modulo their number.
* *A byte drawn for the run* is drawn with the keys, written to the journal before the first write, and differs from all
  other fixed bytes of its technique and from their complements: a read-back can tell the last pass from an earlier one.
  Where a text leaves a byte to the tool, it is 0x00, and its complement 0xff.
* *Known from programs* means that the text itself was not at hand: those passes are what the programs named write.

Not here, because no source says what to write: GA/T 1143-2014 in 7 passes, BSI-2011-VS, OPNAVINST 5239.1A, NZSIT 402,
`Bruce Force`. Not here, because the host cannot do it by overwriting: NIST purge, BSI-GS and BSI-GSE, which need a
command that the drive carries out itself. Known from descriptions by vendors alone, and so left to orders that bring
them along (next section): AFSSI-5020, NSA 130-1, CSEC ITSG-06, RCMP TSSIT OPS-II, HMG IS5 Baseline, BSI VSITR.

## Schemes of one's own

An order may bring its own passes. They are read from a TOML file when it is drafted (`scheme = "own.toml"` at a
carrier, beside or below the draft) and stand in the order itself: approvers sign the bytes, and an auditor holds every
pass in the evidence against them. The file may change or vanish afterwards. The certificate says that the scheme rests
on the order's word. `expunge techniques --scheme FILE.toml` shows what it would write. In
[examples/schemes](examples/schemes) are one with every kind of pass, and six that only vendors describe, each with what
is disputed about it.

## Policies

A policy is a row of data too: the techniques that an organisation's rules allow on each medium, the preferred first. An
order names one at a carrier (`policy = "asd-ism"`), or the site in its configuration, for all orders:

```toml
[policy]
sanitization = "asd-ism"
```

Where both do, both must allow the technique. A policy raises no level, refuses a medium that its text does not cover,
and is a label on the plan and the certificate, never a statement of compliance. `expunge techniques --policies` lists
them with what of each text is left out.

{policies}"""


def techniques_page() -> str:
    """docs/techniques.md."""
    introduction = INTRODUCTION.replace("{policies}", "\n".join(line for row in POLICIES for line in _policy(row)))
    return "\n".join([introduction, *(line for row in TECHNIQUES for line in _technique(row))]).rstrip() + "\n"


def _policy(row: SanitizationPolicy) -> Iterator[str]:
    yield f"### {row.id}\n"
    yield f"{row.name}.\n"
    yield "| | |\n|---|---|"
    for media in Media:
        names = [name for rule in row.rules if media in rule.media for name in rule.techniques]
        yield f"| {media.value} | {', '.join(names) or 'refused'} |"
    if row.needs_hidden_areas_reset:
        yield "| asks | hidden areas (HPA, DCO, AMA) reset before |"
    yield f"| from | {row.citation} |"
    for one in row.left_out:
        yield f"| left out | {one} |"
    yield ""


def _technique(row: Technique) -> Iterator[str]:
    yield f"## {row.id}\n"
    yield f"{row.name}. {'' if row.is_offered else 'Only where named.'}".rstrip() + "\n"
    yield "| | |\n|---|---|"
    yield f"| writes | {counted(passes(row, 'en'))} |"
    yield f"| stays | {final_state(row, 'en')} |"
    for kind in row.method:
        levels = ", ".join(f"{media} {level or 'none'}" for media, level in reaches(row, kind).items())
        yield f"| could reach, {kind} | {levels} |"
    yield f"| from | {row.citation} |"
    known = "the words of its source" if row.basis == "text" else "programs; its text was not at hand"
    yield f"| known from | {known} |"
    if row.warning:
        yield f"| know | {row.warning} |"
    yield ""


def _shown(sentence: str) -> str:
    return sentence.replace("{", "‹").replace("}", "›").replace("|", "\\|")
