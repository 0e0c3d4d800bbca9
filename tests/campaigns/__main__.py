"""`python -m tests.campaigns --seed N [NAME]`: the full counts, one line of results a campaign."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests import campaigns


def main(arguments: list[str]) -> int:
    """The chosen campaigns have run; 0 only when every trial held."""
    parser = argparse.ArgumentParser(prog="scripts/campaign", description="Runs campaigns at their full counts.")
    parser.add_argument(
        "name", nargs="?", type=_with_underscores, choices=campaigns.names(), help="one campaign; all when left out"
    )
    parser.add_argument("--seed", type=int, help="what the trials are drawn from; lists the campaigns when left out")
    chosen = parser.parse_args(arguments)
    names = [chosen.name] if chosen.name else campaigns.names()
    if chosen.seed is None:
        print("\n".join(f"{name}: {campaigns.load(name).FULL} trials" for name in names) or "no campaigns")
        return 0
    outcomes = [_run(name, chosen.seed) for name in names]
    return 0 if outcomes and all(outcomes) else 1


def _with_underscores(name: str) -> str:
    """A campaign's name as its module bears it, however it was typed."""
    return name.replace("-", "_")


def _run(name: str, seed: int) -> bool:
    campaign = campaigns.load(name)
    if campaign.NEEDS_ROOT and os.geteuid() != 0:
        print(f"{name}: not run, needs root")
        return False
    began = time.monotonic()
    try:
        result = campaign.run(seed, campaign.FULL)
    except AssertionError as failure:
        print(f"{name}: FAILED, seed {seed}: {failure}")
        return False
    print(f"{name}: {result} (seed {seed}, {campaign.FULL} trials, {time.monotonic() - began:.0f} s)")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
