"""Whether a new node does at its place what is expected of it, item by item. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from device_drivers.capabilities import NeighbourSeen
from playbooks.provisioning.job import Job


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was looked at. `passed` is None where it could not be judged."""

    name: str
    expected: str
    found: str
    passed: bool | None


def judge(job: Job, seen: Sequence[NeighbourSeen], mbps: float | None) -> list[Item]:
    """Neighbours per band against the expectation, throughput where it was measured, position."""
    heard: dict[str, set[str]] = {}
    for one in seen:
        heard.setdefault(one.band, set()).add(one.remote_mac or one.remote_name)
    items = []
    for band in sorted(job.expected.keys() | heard.keys()):
        count = len(heard.get(band, ()))
        least = job.expected.get(band)
        passed = None if least is None else count >= least
        items.append(Item(f"neighbours {band}", "–" if least is None else f">= {least}", str(count), passed))
    found = "not measured" if mbps is None else f"{mbps:.1f} Mbit/s"
    if job.least_mbps is not None:
        passed = None if mbps is None else mbps >= job.least_mbps
        items.append(Item("throughput", f">= {job.least_mbps:g} Mbit/s", found, passed))
    place = job.lat is not None and job.lon is not None
    items.append(Item("position", "known", f"{job.lat:.5f} {job.lon:.5f}" if place else "unknown", place))
    return items


def summary(items: Sequence[Item]) -> Mapping[str, object]:
    """Passed only when nothing failed; what could not be judged is named."""
    return {
        "passed": all(item.passed is not False for item in items),
        "open": [item.name for item in items if item.passed is None],
        "items": [
            {"name": item.name, "expected": item.expected, "found": item.found, "passed": item.passed} for item in items
        ],
    }
