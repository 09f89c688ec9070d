"""Scenarios that wait most of the time, side by side: each test takes the end of its own and does nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

Ends = Mapping[str, Future[None]]
Scenario = Callable[[Path], None]
"""Gets a directory of its own, not made yet, and raises what is wrong."""


@contextlib.contextmanager
def under_way(base: Path, scenarios: Mapping[str, Scenario]) -> Iterator[Ends]:
    """All of them under way; at the end none is."""
    with ThreadPoolExecutor(len(scenarios)) as pool:
        yield {name: pool.submit(scenario, base / name) for name, scenario in scenarios.items()}
