"""Links that break, flap or hang on a dead node, and the alarms they raise: the mesh and poll services over agents."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from device_drivers.simcity.wired import CREDENTIALS
from local_store import links, maintenance
from local_store.mesh_records import LinkState, MaintenanceRow
from mesh_mgmt.health import HealthLimits
from playbooks.mesh import Mesh, MeshSettings
from playbooks.watch import Watch, WatchSettings
from tests.sim.mesh_city import MeshCity, mesh_city, serving, until

GP = frozenset(("g", "p"))
USUAL = HealthLimits()
HASTY = HealthLimits(flap_start_pct=9.0, flap_stop_pct=9.0)
"""Two changes of late are flapping: less to wait for."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@contextlib.contextmanager
def watched(directory: Path, limits: HealthLimits = USUAL) -> Iterator[tuple[MeshCity, Callable[[int], None]]]:
    """g - p - x, asked for neighbours twice a second, once all is well; and a wait for so many rounds."""
    told: list[Mapping[str, Any]] = []

    def asked() -> int:
        return int(told[-1]["reports"]) + int(told[-1]["failed"])

    def rounds(count: int) -> None:
        wanted = asked() + 3 * count
        until(lambda: asked() >= wanted, f"{count} rounds")

    with mesh_city(directory, ["g"], [("g", "p"), ("p", "x")]) as city:
        mesh = MeshSettings(interval_s=0.5, timeout_ms=300, retries=0, limits=limits)
        polls = WatchSettings(interval_s=1, timeout_ms=300, retries=0)
        asks = Mesh(city.store, CREDENTIALS, mesh, now_ms, random.Random(1))
        watch = Watch(city.store, CREDENTIALS, polls, now_ms, random.Random(2), SimpleQueue())
        with serving(lambda stop, _: asks.run(stop, told.append)), serving(watch.run):
            until(lambda: {one.state for one in stored(city).values()} == {"up"} and len(stored(city)) == 2, "both")
            until(lambda: well(city) == {"g", "p", "x"}, "all nodes are well")
            yield city, rounds


def stored(city: MeshCity) -> dict[tuple[str, str], LinkState]:
    return {(one.a, one.b): one for one in city.store.telemetry.write(links.load_links)}


def well(city: MeshCity) -> set[str]:
    query = "SELECT node_id FROM node_state WHERE state = 'ok'"
    return {str(row[0]) for row in city.store.telemetry.write(lambda cx: cx.execute(query).fetchall())}


def alarms(city: MeshCity, kind: str = "link") -> list[tuple[str, str, bool]]:
    """Every alert there ever was of a kind of entity: of whom, what, whether it is open."""
    query = "SELECT entity_id, kind, closed_ms IS NULL FROM alert WHERE entity_kind = ? ORDER BY alert_id"
    rows = city.store.ops.write(lambda cx: cx.execute(query, (kind,)).fetchall())
    return [(str(entity), str(what), bool(is_open)) for entity, what, is_open in rows]


def test_a_link_that_breaks_between_living_nodes_has_one_alarm_that_closes(tmp_path: Path) -> None:
    with watched(tmp_path) as (city, rounds):
        link_id = stored(city)["g", "p"].link_id
        city.around.broken.add(GP)
        until(lambda: alarms(city) == [(link_id, "down", True)], "one alarm for both its ends")
        rounds(2)
        assert alarms(city) == [(link_id, "down", True)], "and no other, whoever of them reports"
        city.around.broken.clear()
        until(lambda: alarms(city) == [(link_id, "down", False)], "it closes when the link is back")
        assert not alarms(city, "node")


def test_a_link_that_keeps_changing_is_told_once(tmp_path: Path) -> None:
    with watched(tmp_path, HASTY) as (city, rounds):
        link_id = stored(city)["g", "p"].link_id
        for _ in range(2):
            city.around.broken.add(GP)
            until(lambda: stored(city)["g", "p"].state != "up", "it went")
            city.around.broken.clear()
            until(lambda: "up" in said(city, link_id)[-1:] or "flapping" in said(city, link_id), "it came")
        until(lambda: (link_id, "flapping", True) in alarms(city), "flapping is said")
        before = alarms(city)
        assert [one for one in before if one[2]] == [(link_id, "flapping", True)], "instead of that it is down"
        city.around.broken.add(GP)
        rounds(3)
        city.around.broken.clear()
        assert alarms(city) == before, "coming and going raises nothing more"
        until(lambda: not any(one[2] for one in alarms(city)), "calm for a while, it closes")
        assert stored(city)["g", "p"].state == "up"


def said(city: MeshCity, link_id: str) -> list[str]:
    query = "SELECT what FROM link_event WHERE link_id = ? ORDER BY rowid"
    return [str(row[0]) for row in city.store.telemetry.write(lambda cx: cx.execute(query, (link_id,)).fetchall())]


def test_links_of_a_dead_node_raise_nothing(tmp_path: Path) -> None:
    with watched(tmp_path) as (city, rounds):
        city.agents["p"].down = True
        until(lambda: {one.state for one in stored(city).values()} == {"down"}, "both its links are gone")
        until(lambda: ("p", "down", True) in alarms(city, "node"), "the node has its alarm")
        rounds(1)
        assert alarms(city) == []
        city.agents["p"].down = False
        until(lambda: {one.state for one in stored(city).values()} == {"up"}, "it is back with its links")
        assert alarms(city) == []


def test_a_link_of_a_node_in_maintenance_raises_nothing(tmp_path: Path) -> None:
    with watched(tmp_path) as (city, rounds):
        row = MaintenanceRow("w1", "node:p", "UTC", "2020-01-01T00:00", 1_000_000_000, "", None, "antenna", "me", 1)
        city.store.ops.write(lambda cx: maintenance.add(cx, row))
        city.around.broken.add(GP)
        until(lambda: stored(city)["g", "p"].state == "down", "the link is down")
        rounds(1)
        assert alarms(city) == []
