"""The real wiring: loads keys, reads the clock, joins one agent to its machine. Nothing else makes a live Site."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from agent.config import Config, load_config
from agent.documents import Documents
from agent.files import unreadable
from agent.journal import Journals
from agent.keys import load_key
from agent.ledger import LedgerFile
from agent.registry import RegistryClient
from agent.site import FOLDERS, Site
from certificates.errors import Refused
from certificates.signers import KeySigner
from wipers.linux import LinuxHost
from wipers.linux.hotplug import Hotplug
from wipers.linux.machine import untold

CONFIG = Path("/etc/expunge/config.toml")
STATE = Path("/var/lib/expunge")


def clock() -> datetime:
    """Return the time in whole seconds, UTC."""
    return datetime.now(UTC).replace(microsecond=0)


def find_site(named: str | None, own: Path = CONFIG) -> tuple[Path, Path]:
    """Return the configuration file and state directory of the site named, or of this host's own."""
    if named is None:
        if not own.exists():
            raise Refused("site-missing", where=str(own))
        return own, STATE
    config = Path(named).resolve() / "config.toml"
    if own.exists() and not load_config(own).other_sites:
        raise Refused("site-not-allowed")
    if not config.exists():
        raise Refused("site-missing", where=str(config))
    return config, config.parent


def open_site(named: str | None = None, met: Callable[[int], None] = untold) -> Site:
    """Return the live site named by --site or EXPUNGE_CONFIG, or this host's own; raises Refused if unsafe; `met` is
    told every thousand files how many a search has met."""
    path, state = find_site(named)
    config = load_config(path)
    key = path.parent / config.host_key
    check_safe(*parts_of_site(path, key, state))
    for folder in FOLDERS:
        _make(state / folder)
    return _wire(config, path, state, KeySigner(load_key(key)), met)


def _make(folder: Path) -> None:
    """Make a folder of the state; raises Refused where something else is there, or a link to what is not mounted."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except PermissionError:
        raise
    except OSError as error:
        raise unreadable(folder, error) from error


def _wire(config: Config, path: Path, state: Path, signer: KeySigner, met: Callable[[int], None]) -> Site:
    return Site(
        config=config,
        state=state,
        host=LinuxHost(state_directory=state / "runs", met=met),
        signer=signer,
        documents=Documents(path.parent / "keyring", state, config.keyring_root),
        journals=Journals(state / "journal", clock),
        ledger=LedgerFile(state / "ledger" / "ledger.jsonl"),
        registry=RegistryClient(config.registry) if config.registry else None,
        clock=clock,
        entropy=os.urandom,
        free_space=lambda where: shutil.disk_usage(where).free,
        power=battery,
        plugs=Hotplug,
    )


def parts_of_site(config: Path, key: Path, state: Path) -> tuple[Path, ...]:
    """Return what only the site's owner may change: a ledger cut by others would let an order be carried out twice."""
    folders = (config.parent / "keyring", *(state / name for name in FOLDERS))
    files = [*folders[0].glob("*"), *(state / "ledger").glob("*"), state / "seen.json"]
    return (config, key, state, *folders, *files)


def check_safe(*paths: Path) -> None:
    """Return if, for root, every file and parent is root's and closed to others; raises Refused naming the one."""
    if os.geteuid() != 0:
        return
    for path in paths:
        for part in (path, *path.resolve().parents):
            if not part.exists():
                continue
            state = part.stat()
            is_sticky = part.is_dir() and state.st_mode & 0o1000
            if state.st_uid != 0 or (state.st_mode & 0o022 and not is_sticky):
                raise Refused("site-not-safe", where=str(part))


def battery() -> int | None:
    """Return the battery's percentage while it discharges; none on mains, or without a battery."""
    import psutil

    state = psutil.sensors_battery()
    return int(state.percent) if state is not None and state.power_plugged is False else None
