"""The machine that was measured, and how results are told."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Result:
    """One comparison within one run."""

    name: str
    ours: float
    peer: float
    unit: str
    ratio: float
    """Above 1: better than the peer, whichever way the unit runs."""


def higher_is_better(name: str, ours: float, peer: float, unit: str) -> Result:
    """The comparison of two rates."""
    return Result(name, round(ours, 1), round(peer, 1), unit, round(ours / peer, 3))


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
        print(f"{one.name:30} ours {one.ours:9.1f}  peer {one.peer:9.1f} {one.unit}  ratio {one.ratio:.3f}")
