"""Documents that come and go: from and to the registry, or on a medium."""

from __future__ import annotations

from pathlib import Path

from agent import intake, submission
from agent.cli.desk import site_of
from agent.cli.exits import code_of, code_of_all, describe, sentence
from agent.cli.screen import Screen
from agent.files import check_absent, read_file, write_new
from agent.intake import Taken
from agent.reading import read_envelope
from agent.runs import RunFolder
from agent.site import Site
from certificates.errors import Failure, Refused, Unregistered

LARGEST = 4 << 20
PROOF = b"c2sp.org/tlog-proof"
"""How a receipt begins (C2SP tlog-proof)."""


def waiting(site: Site) -> tuple[RunFolder, ...]:
    """Return the runs whose certificates wait in the outbox."""
    names = sorted((site.state / "outbox").glob("[0-9]" * 8 + ".dsse.json"))
    return tuple(site.folder(int(path.name.split(".")[0])) for path in names)


def submit(screen: Screen) -> int:
    """Hand in what waits; return 0 when nothing waits any more, else the exit code."""
    site = site_of(screen)
    rows = [_submit(site, folder) for folder in waiting(site)]
    code = code_of_all(code_of(failure) for _, _, failure in rows)
    lines = [_line(screen, *row) for row in rows] or [screen.word("outbox.empty")]
    tree = [
        {"sequence": number, "bundle": str(path) if path else None, "failure": describe(failure) if failure else None}
        for number, path, failure in rows
    ]
    screen.show("\n".join(lines), {"submitted": tree, "exit": code})
    return code


def _submit(site: Site, folder: RunFolder) -> tuple[int, Path | None, Failure | None]:
    try:
        return folder.sequence, submission.submit(site, folder), None
    except Failure as error:
        return folder.sequence, None, error


def _line(screen: Screen, number: int, path: Path | None, failure: Failure | None) -> str:
    told = sentence(failure, screen) if failure else screen.word("run.bundle", where=path)
    return f"{'○' if failure else '●'} {screen.word('run.number', number=number)}  {told}"


def export(screen: Screen, target: Path) -> int:
    """Write the bundles that wait into a folder; return 0 at an offline site, 6 where they still have to be sent."""
    site = site_of(screen)
    folders = waiting(site)
    paths = [target / f"{folder.sequence:08d}.expunge" for folder in folders]
    check_absent(*paths)
    target.mkdir(parents=True, exist_ok=True)
    for folder, path in zip(folders, paths, strict=True):
        folder.write("certificate.dsse.json", site.waiting(folder.sequence).read_bytes())
        write_new(path, submission.write_bundle(site, folder).read_bytes())
    code = 0 if site.config.offline or not paths else 6
    lines = [str(path) for path in paths] or [screen.word("outbox.empty")]
    screen.show("\n".join(lines), {"exported": [str(path) for path in paths], "exit": code})
    return code


def fetch_all(screen: Screen) -> None:
    """Take in what the registry has for this host."""
    _tell(screen, intake.fetch(site_of(screen)))


def take_in_files(screen: Screen, files: tuple[Path, ...]) -> None:
    """Take documents in, keyrings first, receipts last; raises Refused at the first that must not be taken."""
    site = site_of(screen)
    documents = sorted((read_file(file, LARGEST) for file in files), key=_rank)
    _tell(screen, tuple(_take_in(site, data) for data in documents))


def _take_in(site: Site, data: bytes) -> Taken:
    return file_receipt(site, data) if data.startswith(PROOF) else intake.take_in(site, data)


def file_receipt(site: Site, data: bytes) -> Taken:
    """File a receipt, carried back on a medium, with the certificate that waits for it; raises Refused for none."""
    text = data.decode("utf-8", "replace")
    for folder in waiting(site):
        try:
            submission.file_receipt(site, folder, text)
        except Unregistered:
            continue
        return Taken("receipt", f"run {folder.sequence}")
    raise Refused("receipt-unclaimed")


def _rank(data: bytes) -> tuple[int, int]:
    """Return where a document stands among those taken in together: keyrings by version, then all else."""
    if data.startswith(PROOF):
        return (2, 0)
    try:
        document = read_envelope(data)
    except Failure:
        return (1, 0)
    return (0, document.statement.version) if document.kind == "keyring" else (1, 0)


def _tell(screen: Screen, taken: tuple[Taken, ...]) -> None:
    lines = [screen.word("taken", kind=one.kind, what=one.what) for one in taken]
    screen.show("\n".join(lines), [{"kind": one.kind, "what": one.what} for one in taken])
