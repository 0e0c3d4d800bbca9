"""expunge-registry: set a registry up, serve it, take in what is carried by hand, and check it."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from certificates.errors import Failure, Interrupted, Refused, Unproven, Unregistered, Untrusted

EXITS: dict[type[Failure], int] = {Refused: 3, Interrupted: 4, Unproven: 5, Unregistered: 6, Untrusted: 7}
"""The same families and codes as the agent's."""
DEFAULT_DATA = Path("/var/lib/expunge-registry")

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=DEFAULT_DATA,
    show_default=True,
    envvar="EXPUNGE_REGISTRY_DATA",
    help="The registry's data directory.",
)
database_option = click.option("--database", metavar="URL", help="Database; default: SQLite in the data directory.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


class Commands(click.Group):
    """Turns a failure into its message of three parts and its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            click.echo(f"{type(failure).__name__}: {failure.tell(_language())}", err=True)
            ctx.exit(EXITS[type(failure)])


def _language() -> str:
    """Language of messages: what --lang says, otherwise what the environment's locale names."""
    chosen = click.get_current_context().find_root().params.get("lang")
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return chosen or ("zh" if next((name for name in names if name), "").startswith("zh") else "en")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="expunge", prog_name="expunge-registry")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language of messages; by default LANG's.")
def main(lang: str | None) -> None:
    """The central registry: delivers orders, stops them, and remembers what was destroyed. It can start nothing."""


@main.command()
@data_option
@json_option
@click.option("--origin", required=True, help="Name of the log, a URL without scheme: registry.example/expunge")
def init(data: Path, origin: str, as_json: bool) -> None:
    """Make the data directory, the log's key and the hold key."""
    from server_stub.directory import DataDirectory

    directory = DataDirectory(data)
    directory.initialise(origin)
    _tell_keys(directory, as_json=as_json)


@main.group()
def key() -> None:
    """The registry's keys."""


@key.command("new")
@click.argument("name", metavar="NAME")
@data_option
def key_new(name: str, data: Path) -> None:
    """Make a further key NAME.key in the data directory, for the next keyring to list."""
    from server_stub.directory import DataDirectory

    if not name.isascii() or not name.replace("-", "").isalnum():
        raise click.BadParameter("letters, digits and - only", param_hint="NAME")
    directory = DataDirectory(data)
    directory.make_key(f"{name}.key")
    click.echo(json.dumps(_public(directory.signer(f"{name}.key")), indent=2))


@key.command("show")
@data_option
@json_option
def key_show(data: Path, as_json: bool) -> None:
    """Show the public halves of the log's key and the hold key, as the keyring lists them."""
    from server_stub.directory import DataDirectory

    _tell_keys(DataDirectory(data), as_json=as_json)


@main.group()
def keyring() -> None:
    """The keyring that the registry judges by."""


@keyring.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--root", metavar="DIGEST", help="Digest of keyring version 1, told by its keepers; pinned for good.")
@data_option
@database_option
def keyring_import(files: tuple[Path, ...], root: str | None, data: Path, database: str | None) -> None:
    """Take in keyring versions, in order, from the pinned root on."""
    from server_stub.directory import DataDirectory
    from server_stub.serving import open_registry

    directory = DataDirectory(data)
    if root is not None:
        directory.pin_root(root)
    registry, store = open_registry(directory, database)
    for file in files:
        sealed = registry.keyrings.add(file.read_bytes())
        click.echo(f"version {sealed.statement.version}  {sealed.digest}")
    for missing in registry.unlisted_keys():
        click.echo(f"warning: the keyring does not list this registry's key {missing}", err=True)
    store.close()


@main.command()
@data_option
@database_option
@click.option("--bind", default="127.0.0.1:8470", show_default=True, help="Loopback address and port; port 0: any.")
def serve(data: Path, database: str | None, bind: str) -> None:
    """Serve until stopped; prints the URL to stderr once it answers."""
    from server_stub import serving
    from server_stub.directory import DataDirectory

    address, port = serving.parse_bind(bind)
    registry, store = serving.open_registry(DataDirectory(data), database)
    listener = serving.open_socket(address, port)
    try:
        serving.serve(registry, listener, lambda url: click.echo(f"Registry at {url}", err=True))
    finally:
        listener.close()
        store.close()


@main.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--receipts", type=click.Path(path_type=Path, file_okay=False), help="Where to write receipts.")
@data_option
@database_option
@json_option
def import_files(
    files: tuple[Path, ...], receipts: Path | None, data: Path, database: str | None, as_json: bool
) -> None:
    """Take in bundles, or single sealed documents, that were carried in by hand."""
    from server_stub.carrying import take_in
    from server_stub.directory import DataDirectory
    from server_stub.serving import open_registry

    registry, store = open_registry(DataDirectory(data), database)
    taken = [carried for file in files for carried in take_in(registry, file.read_bytes())]
    store.close()
    if receipts is not None:
        _write_receipts(receipts, ((item.digest, item.receipt) for item in taken))
    if as_json:
        click.echo(json.dumps({"documents": [asdict(item) for item in taken]}, indent=2))
        return
    for item in taken:
        click.echo(f"{item.kind}  {item.digest}  {'taken in' if item.is_new else 'was here'}")


@main.command()
@data_option
@database_option
@json_option
def check(data: Path, database: str | None, as_json: bool) -> None:
    """Check store and log independently: every leaf, checkpoint, receipt and document. 0: all hold; 7: not."""
    from server_stub.checking import check_store
    from server_stub.directory import DataDirectory
    from server_stub.store import Store

    directory = DataDirectory(data)
    store = Store(database or directory.database)
    findings = check_store(store, directory.log_signer().key, directory.root, directory.head().read())
    store.close()
    if as_json:
        click.echo(json.dumps({"findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            click.echo(f"{'holds' if finding.holds else 'WRONG'}  {finding.check}: {finding.detail}")
    wrong = next((finding for finding in findings if not finding.holds), None)
    if wrong is not None:
        raise Untrusted("registry-damaged", what=f"{wrong.check}: {wrong.detail}")


def _tell_keys(directory: Any, *, as_json: bool) -> None:
    from server_stub.directory import HOLD_KEY, LOG_KEY

    log, hold = directory.signer(LOG_KEY), directory.signer(HOLD_KEY)
    public = {"origin": directory.origin, "log": _public(log), "hold": _public(hold)}
    if as_json:
        click.echo(json.dumps(public | {"vkey": directory.log_signer().key.vkey}, indent=2))
        return
    click.echo(f"origin    {directory.origin}")
    for name, signer in (("log key", log), ("hold key", hold)):
        click.echo(f"{name:9} {signer.key_id}")
        click.echo(f"          {_public(signer)['spki']}")
    click.echo(f"vkey      {directory.log_signer().key.vkey}")


def _public(signer: Any) -> dict[str, str]:
    spki = base64.b64encode(signer.spki).decode("ascii")
    return {"id": signer.key_id, "algorithm": str(signer.algorithm), "spki": spki}


def _write_receipts(place: Path, receipts: Iterable[tuple[str, str | None]]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for digest, receipt in receipts:
        if receipt is not None:
            (place / f"{digest.removeprefix('sha256:')}.tlog-proof").write_text(receipt, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
