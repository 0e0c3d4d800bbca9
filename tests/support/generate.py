"""Everything in the checkout that is made from the code: `scripts/generate` writes it, a test compares it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.house_rules import ROOT

Maker = Callable[[], Mapping[str, bytes]]
"""Returns path below the checkout -> content."""


def schemas() -> Mapping[str, bytes]:
    """JSON Schemas of all documents."""
    from certificates.schemas import publish

    return {f"docs/schemas/{name}": text.encode() for name, text in publish().items()}


def vectors() -> Mapping[str, bytes]:
    """Golden documents, and one per refusal."""
    from tests.vectors.build import build

    return {f"tests/vectors/{name}": data for name, data in build().items()}


def commands() -> Mapping[str, bytes]:
    """Every command with its help."""
    from tests.support.reference import cli_page

    return {"docs/cli.md": cli_page().encode()}


def errors() -> Mapping[str, bytes]:
    """Every exit code and reason."""
    from tests.support.reference import errors_page

    return {"docs/errors.md": errors_page().encode()}


def techniques() -> Mapping[str, bytes]:
    """Every technique with its bytes, source and warning."""
    from tests.support.reference import techniques_page

    return {"docs/techniques.md": techniques_page().encode()}


def verdicts() -> Mapping[str, bytes]:
    """What is reached by overwriting in place, and what is refused."""
    from tests.support.verdict_page import PAGE, files_page

    return {PAGE: files_page().encode()}


MAKERS: dict[str, tuple[Maker, str]] = {
    "schemas": (schemas, "docs/schemas/*.json"),
    "vectors": (vectors, "tests/vectors/*/*"),
    "commands": (commands, "docs/cli.md"),
    "errors": (errors, "docs/errors.md"),
    "techniques": (techniques, "docs/techniques.md"),
    "verdicts": (verdicts, "docs/files.md"),
}
"""Name -> (what makes the files, the pattern of everything that it owns). Add a row to have another page made."""


def compare(name: str, root: Path = ROOT) -> list[str]:
    """Paths that are not as the code makes them: changed, missing, or no longer made."""
    make, owned = MAKERS[name]
    made = make()
    wrong = [path for path, data in made.items() if not _is_file_with(root / path, data)]
    left = [path for path in root.glob(owned) if path.is_file() and "__pycache__" not in path.parts]
    return wrong + [found for path in left if (found := str(path.relative_to(root))) not in made]


def write(name: str, root: Path = ROOT) -> list[str]:
    """Make everything as the code makes it; the paths that changed."""
    make, _ = MAKERS[name]
    changed = compare(name, root)
    made = make()
    for path in changed:
        if path in made:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(made[path])
        else:
            (root / path).unlink()
    return changed


def _is_file_with(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def main(arguments: list[str]) -> int:
    """Write, or with --check only compare; 1 when something is not as the code makes it."""
    act = compare if arguments == ["--check"] else write
    changed = [path for name in MAKERS for path in act(name)]
    for path in changed:
        print(("differs: " if act is compare else "wrote ") + path)
    return 1 if changed and act is compare else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
