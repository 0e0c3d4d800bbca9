"""`expunge order draft`: an order and its selectors, from TOML."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.options import output, shared
from agent.cli.screen import Screen


@click.command("draft")
@shared
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@output
@click.option(
    "--keyring",
    "keyrings",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Keyring in which host names are looked up: its files in order, or their folder; by default the site's.",
)
@click.option("--measure", is_flag=True, help="Fill in, on the host that holds the data, what the TOML leaves out.")
@click.option(
    "--from-survey",
    "surveys",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Take the carriers from surveys: their files, or folders of them (*.survey.json). Goes with --cards.",
)
@click.option(
    "--cards",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The finance department's list of asset cards, as CSV.",
)
@click.option("--partial", is_flag=True, help="Leave out what does not go together, instead of refusing the draft.")
@click.option("--split", is_flag=True, help="Make several orders where one would be too large.")
@click.pass_obj
def command(
    screen: Screen,
    *,
    file: Path,
    output: str,
    keyrings: tuple[Path, ...],
    measure: bool,
    surveys: tuple[Path, ...],
    cards: Path | None,
    partial: bool,
    split: bool,
) -> None:
    """Make the order that the TOML in FILE describes, with no signature yet.

    Beside it goes a selector for each carrier that has one, <carrier id>.selector.json: it holds paths, so it stays
    with the people who carry the order out. See docs/examples/ for files to begin with.

    With --from-survey and --cards the carriers come from surveys, matched with asset cards by serial numbers of drive
    and chassis and by asset tag; nothing is guessed. What does not go together is listed, and the order is refused
    (exit 3) unless --partial leaves it out. The list is written beside the order, as <order>.matching.txt and .json,
    for those who approve it.
    """
    from agent.cli import orders

    if bool(surveys) != (cards is not None) or (cards is None and (partial or split)):
        raise click.UsageError("--from-survey and --cards go together; --partial and --split go with them")
    if cards is not None:
        given = orders.Given(file, keyrings, surveys, cards, measure)
        code = orders.draft_from_survey(screen, given, Path(output), is_partial=partial, is_split=split)
        click.get_current_context().exit(code)
    draft = orders.read_draft(screen, file, keyrings, measure)
    orders.write_draft(screen, draft, Path(output))
