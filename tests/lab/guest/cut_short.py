"""`python -m tests.lab.guest.cut_short`: a run, or the resuming of one, during which the host may pull the plug.

The site lies on a disk of its own. What stood on it when the machine came up is shown to the host before anything else
happens, and what a run left when it came to its end.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

SHARE = Path("/share")
MOUNTED = Path("/mnt/cut")
SITE = MOUNTED / "site"
ORDER = SITE / "desk" / "order" / "order.dsse.json"
KEY = SITE / "desk" / "executor.pem"
LABEL = SITE / "desk" / "label"
TOLD = ("journal", "runs", "outbox", "certificates")
"""Folders of a site that tell how far a run is."""


def main() -> None:
    """The run that the site shows as begun is resumed; where there is none, one is begun."""
    mount()
    if not LABEL.exists():
        open_site()
    show("found")
    (SHARE / "going").touch()
    status = 0 if is_ended() else go_on()
    show("left")
    shutil.copy(SITE / "trust.json", SHARE / "left")
    (SHARE / "ending").write_text(str(status), encoding="ascii")
    (SHARE / "ending").rename(SHARE / "ended")


def go_on() -> int:
    """The command's exit status, if the machine lives to see it."""
    arguments = ["resume"] if is_begun() else ["run", str(ORDER), "--confirm", LABEL.read_text(encoding="ascii")]
    program = "from agent.cli import main; main()"
    command = [sys.executable, "-c", program, "--site", str(SITE), *arguments, "--key", str(KEY)]
    with (SHARE / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    tell_marks(process)
    return process.returncode


def tell_marks(process: subprocess.Popen[bytes]) -> None:
    """The host learns of each journal entry that the run makes, until the run ends."""
    told = len(events())
    while process.poll() is None:
        if len(events()) > told:
            told += 1
            (SHARE / f"mark-{told}").touch()
        time.sleep(0.03)


def mount() -> None:
    """The site's disk; its journal is replayed when the plug was pulled."""
    MOUNTED.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", node_of("CUT-SITE"), MOUNTED], check=True)


def node_of(serial: str) -> str:
    """The virtio disk with that serial number."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for disk in Path("/sys/block").glob("vd*"):
            if (disk / "serial").read_text().strip() == serial:
                return f"/dev/{disk.name}"
        time.sleep(0.1)
    raise LookupError(serial)


def open_site() -> None:
    """A site, and an approved order for the disk that is to be erased."""
    from agent.drafting import Measured
    from certificates.encoding import encode
    from certificates.statements import Fact
    from tests.support.bench import identity_of
    from tests.support.real_site import RealSite, carrier
    from wipers.linux import LinuxHost

    listed = LinuxHost(state_directory=MOUNTED).list_targets()
    (target,) = (one for one in listed if Fact("serial", "CUT-DISK") in one.facts)
    site = RealSite(SITE)
    charge = site.charge((carrier(identity_of(target), Measured({}, 1, target.size), None), None))
    (SITE / "trust.json").write_bytes(encode(site.trust))
    (label,) = charge.labels
    LABEL.write_text(label, encoding="ascii")
    subprocess.run(["sync", "--file-system", MOUNTED], check=True)


def is_begun() -> bool:
    """Whether a journal on the site was opened for a run."""
    opened = [json.loads(line)["event"] for line in events() if b'"kind":"opened"' in line]
    return any(event.get("start") is not None for event in opened)


def is_ended() -> bool:
    """Whether the run came to its end before the plug was pulled; then there is nothing to resume."""
    return any(b'"kind":"certified"' in line for line in events())


def events() -> list[bytes]:
    """The complete lines of the journals."""
    return [line for path in (SITE / "journal").glob("*.jsonl") for line in path.read_bytes().split(b"\n")[:-1]]


def show(name: str) -> None:
    """The host can read what the site holds now."""
    for folder in TOLD:
        if (SITE / folder).is_dir():
            shutil.copytree(SITE / folder, SHARE / name / folder)
    (SHARE / name).mkdir(exist_ok=True)


if __name__ == "__main__":
    main()
