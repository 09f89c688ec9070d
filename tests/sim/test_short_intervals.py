"""The shortest interval over nodes that need longer to fail: nothing piles up, and what was left out can be seen."""

from __future__ import annotations

import random
import time
from pathlib import Path
from queue import SimpleQueue

from device_drivers.simcity.wired import CREDENTIALS
from playbooks.watch import Watch, WatchSettings
from tests.sim.mesh_city import mesh_city, serving, until


def test_a_round_longer_than_the_interval_leaves_slots_out_and_recovers(tmp_path: Path) -> None:
    with mesh_city(tmp_path, ["g"], [("g", "p")]) as city:
        for agent in city.agents.values():
            agent.down = True
        settings = WatchSettings(interval_s=1, timeout_ms=900, retries=1)  # 2.2 s until a poll has failed
        watch = Watch(
            city.store, CREDENTIALS, settings, lambda: time.time_ns() // 1_000_000, random.Random(1), SimpleQueue()
        )
        told: list[dict[str, int]] = []
        began = time.monotonic()
        with serving(lambda stop, _: watch.run(stop, lambda detail: told.append(dict(detail)))):  # type: ignore[call-overload]
            until(lambda: bool(told) and told[-1]["failed"] >= 4, "both failed twice")
            slots = 2 * (time.monotonic() - began)
            asked = told[-1]["failed"] + told[-1]["in_flight"]
            assert max(detail["in_flight"] for detail in told) <= len(city.agents)
            assert told[-1]["skipped"] >= asked
            assert asked + told[-1]["skipped"] <= slots + 2
            for agent in city.agents.values():
                agent.down = False
            until(lambda: told[-1]["ok"] >= 4, "both answer again, as often as the interval says")
            assert told[-1]["waiting"] == 0
