"""A sampled run on a real device: sections, anchors and the partitions that stood there, redone from its bundle."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from certificates import bundle
from certificates.audit import certificate_of
from certificates.encoding import encode
from certificates.statements import SampledReadBack, SampledVerification
from tests.support.bench import MIB, Bench, bench_in, full_of_needles
from tests.support.real_site import RealSite, ended, loop_carrier

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

SIZE = 24 * MIB + 512
TABLE = "label: gpt\nstart=2048, size=8192\nstart=16384, size=20000\n"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as found:
        yield found


def test_a_sampled_run_is_redone_from_its_bundle(bench: Bench, tmp_path: Path) -> None:
    """Also where the partitions of before had their ends, and with every block that was read at hand."""
    image = bench.image("image", SIZE, full_of_needles(SIZE))
    subprocess.run(["sfdisk", "-q", image], input=TABLE, text=True, check=True)
    bench.attach(image)
    site = RealSite(tmp_path / "site")
    (site.folder / "trust.json").write_bytes(encode(site.trust))
    carrier, selector = loop_carrier(image)
    ordered = replace(carrier, verification=SampledVerification(950_000, 10_000))
    assert site.run(site.charge((ordered, selector))).returncode == 6
    (path,) = site.bundles()
    entries = bundle.unpack(path.read_bytes())
    (check,) = certificate_of(entries)[0].evidence.checks
    assert isinstance(check, SampledReadBack)
    assert check.anchors is not None
    starts = [(one.offset, one.length) for one in check.anchors.partitions]
    assert starts == [(2048 * 512, 8192 * 512), (16384 * 512, 20000 * 512)]
    raw = entries["evidence/samples-1.bin"]
    assert raw[: 64 * 1024] == image.read_bytes()[: 64 * 1024]
    assert len(raw) == 4096 * check.read_in_all - (4096 - 512)
    findings = audited(site, path)
    assert {"strata-hold", "raw-holds", "claim-proven"} <= {one["code"] for one in findings}
    assert not [one for one in findings if one["sign"] == "fails"]


def audited(site: RealSite, path: Path) -> list[dict[str, Any]]:
    """What `audit` finds."""
    told = json.loads(ended(site.start("audit", str(path), "--json")).stdout)
    findings: list[dict[str, Any]] = told["reports"][0]["findings"]
    return findings
