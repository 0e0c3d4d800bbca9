"""Audits at a site: its own trust file, and reading a medium again, which the auditor's command alone does not do."""

from __future__ import annotations

from pathlib import Path

from agent.cli.desk import named_site, now
from agent.cli.screen import Screen
from agent.cli.sheets import wire_tree
from agent.files import read_file
from certificates import bundle
from certificates.audit import certificate_of
from certificates.audit.records import Reread
from certificates.errors import Refused, Untrusted


def audit_paths(screen: Screen, paths: tuple[Path, ...], trust: Path | None, against: Path | None) -> int:
    """Print the verdict on every bundle, and on all together; return the exit code."""
    from certificates.__main__ import audit_paths as judge
    from certificates.__main__ import find
    from certificates.render.report import tell_audit

    found = find(paths)
    anchor = trust_file(screen, trust)
    if not found.bundles and not found.journals:
        raise Refused("file-unreadable", where=paths[0], detail="no bundle (*.expunge) lies there")
    told = judge(found, anchor, _reread(found.bundles, against))
    code: int = told.verdict.exit_code
    screen.show(tell_audit(told, screen.language).rstrip(), wire_tree(told))
    return code


def trust_file(screen: Screen, named: Path | None) -> Path:
    """Return the trust file named, else the site's; never one that lies beside a bundle. Raises Untrusted for none."""
    if named is not None:
        return named
    from agent.live import find_site

    try:
        path = find_site(named_site(screen))[0].parent / "trust.json"
    except Refused as error:
        raise Untrusted("trust-missing") from error
    if not path.exists():
        raise Untrusted("trust-missing")
    return path


def _reread(bundles: list[Path], against: Path | None) -> Reread | None:
    """Return what reads the medium again; raises Refused, before anything is judged, where that cannot be done."""
    if against is None:
        return None
    from agent.rereading import final_pass, reread_from

    if len(bundles) != 1:
        raise Refused("against-one")
    final_pass(certificate_of(bundle.unpack(read_file(bundles[0], bundle.MAX_SIZE)))[0])
    return reread_from(against, now)
