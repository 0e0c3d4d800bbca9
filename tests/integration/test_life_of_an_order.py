"""The page that leads people through an order is followed to the letter, on real files, with a real registry."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ext4_image import ext4_image
from tests.support.house_rules import ROOT

PAGE = ROOT / "docs" / "life-of-an-order.md"
EXAMPLE = ROOT / "docs" / "examples" / "order.toml"

# Every command of the page is run as it stands; how each of ours ended is written down beside.
BEFORE = """
set -u
note() { "$@"; local status=$?; echo "$status $*" >>ends; return $status; }
expunge() { note command expunge "$@"; }
expunge-registry() { note command expunge-registry "$@"; }
trap 'kill $(jobs -p)' EXIT
"""
SERVING = """
"$(type -P expunge-registry)" serve --data registry --bind 127.0.0.1:@PORT@ &
for n in $(seq 100); do (: </dev/tcp/127.0.0.1/@PORT@) 2>/dev/null && break; sleep 0.1; done
"""
ENDS_OTHERWISE = {
    "expunge run": 6,  # two witnesses have not signed yet
    "expunge resume": 3,  # nothing was interrupted
}


def script_of(page: str, port: int) -> str:
    """The page's commands, in order, for a registry on a free port instead of the usual one."""
    parts = re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    text = "".join(parts).replace("127.0.0.1:8470", f"127.0.0.1:{port}")
    assert "\nexpunge-registry serve --data registry &\n" in text
    return BEFORE + text.replace("expunge-registry serve --data registry &\n", SERVING.replace("@PORT@", str(port)))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def order_for(root: Path) -> str:
    """The example's first carrier, over files that are there; what can be measured is left out."""
    head, carrier, *_ = EXAMPLE.read_text(encoding="utf-8").split("[[carriers]]")
    lines = [line for line in carrier.splitlines() if "(measured)" not in line]
    return f"{head}[[carriers]]" + "\n".join(lines).replace("/srv/scans", str(root))


@pytest.mark.needs_root
def test_the_life_of_an_order_can_be_followed_to_the_letter(tmp_path: Path) -> None:
    """Whoever types what the page shows, in its order, ends with a proven, registered, accepted certificate."""
    with ext4_image(tmp_path) as disk:
        for year in ("2009", "2010", "2011"):
            (disk.root / year).mkdir()
            (disk.root / year / "case.txt").write_text(f"case files of {year}\n" * 1000, encoding="utf-8")
        disk.sync()
        (tmp_path / "order.toml").write_text(order_for(disk.root), encoding="utf-8")
        (tmp_path / "minutes.txt").write_bytes((EXAMPLE.parent / "minutes.txt").read_bytes())
        (tmp_path / "docs").symlink_to(ROOT / "docs")
        done = subprocess.run(
            ["bash", "-c", script_of(PAGE.read_text(encoding="utf-8"), free_port())],
            cwd=tmp_path,
            env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin", "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert [path.name for path in disk.root.iterdir()] == ["lost+found"], done.stderr
    ends = [line.split(" ", 1) for line in (tmp_path / "ends").read_text(encoding="utf-8").splitlines()]
    wrong = [
        f"{command} ended with {status}"
        for status, command in ends
        if int(status) != ENDS_OTHERWISE.get(" ".join(command.removeprefix("command ").split()[:2]), 0)
    ]
    assert wrong == [], done.stderr
    assert len(ends) > 30
    assert "Proven, as far as this host told the truth." in done.stdout
    assert (tmp_path / "certificate.html").stat().st_size > 10_000
