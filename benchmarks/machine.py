"""The machine that was measured, and how results are told."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.timing import Taken

MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Result:
    """One comparison within one run."""

    name: str
    ours: float
    peer: float
    unit: str
    ratio: float
    """Above 1: better than the peer, whichever way the unit runs."""
    ours_processor: float
    """Least processor seconds a GiB; the loop driver's are in neither figure."""
    peer_processor: float
    details: dict[str, float] = field(default_factory=dict)
    """What else was measured: seconds of each part, waits of others, room."""


def compared_rates(name: str, ours: list[Taken], peer: list[Taken]) -> Result:
    """The best rate of each."""
    best, best_peer = (max(one.rate for one in figures) / MEGABYTE for figures in (ours, peer))
    least, least_peer = (min(one.processor_per_gibibyte for one in figures) for figures in (ours, peer))
    ratio = round(best / best_peer, 3)
    return Result(name, round(best, 1), round(best_peer, 1), "MB/s", ratio, round(least, 2), round(least_peer, 2))


def describe_machine() -> dict[str, str | int]:
    """What the figures depend on."""
    models = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = next((line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0")
    return {
        "processor": models[0] if models else platform.machine(),
        "processors": os.cpu_count() or 1,
        "memory_kib": int(memory),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def tell(results: list[Result], *, as_json: bool) -> None:
    """The results stand on stdout."""
    if as_json:
        print(json.dumps({"machine": describe_machine(), "results": [asdict(one) for one in results]}, indent=1))
        return
    print(", ".join(f"{name} {value}" for name, value in describe_machine().items()))
    for one in results:
        figures = f"ours {one.ours:8.1f}  peer {one.peer:8.1f} {one.unit}  ratio {one.ratio:7.3f}"
        print(f"{one.name:28} {figures}  CPU s/GiB {one.ours_processor:.2f} / {one.peer_processor:.2f}")
        for name, value in one.details.items():
            print(f"    {name:60} {value:10.3f}")
