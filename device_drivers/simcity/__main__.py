"""`python -m device_drivers.simcity DIRECTORY [NODES]`: the city alone, for benchmarks and tests."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from device_drivers.simcity.serve import SimOptions, run


def main() -> None:
    """Read the sizes and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--nodes", type=int, default=550)
    parser.add_argument("--bins", type=int, default=800)
    parser.add_argument("--stations", type=int, default=60)
    parser.add_argument("--interval", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--well", action="store_true", help="without faults")
    parser.add_argument("--embedded-broker", action="store_true")
    parser.add_argument("--until-stdin-closes", action="store_true")
    given = parser.parse_args()
    start_ms = time.time_ns() // 1_000_000  # noqa: TID251 - a process of its own, beside console.clock
    begun = time.monotonic()
    run(
        SimOptions(
            given.directory,
            lambda: start_ms + int((time.monotonic() - begun) * 1000),
            seed=given.seed,
            nodes=given.nodes,
            bins=given.bins,
            stations=given.stations,
            interval_s=given.interval,
            with_faults=not given.well,
            embedded_broker=given.embedded_broker,
            until_stdin_closes=given.until_stdin_closes,
        )
    )


if __name__ == "__main__":
    main()
