"""A parent dies: exactly one alarm. It comes back: the alarm closes, and no child ever had one."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from device_drivers.simcity.wired import CREDENTIALS
from local_store import alerts, links, maintenance, nodes, sensing
from local_store.mesh_records import DeclaredLink, MaintenanceRow
from local_store.records import Sensor
from playbooks.watch import Watch, WatchSettings
from tests.sim import mesh_city as waiting
from tests.sim.mesh_city import MeshCity, mesh_city, serving

TREE = [("g", "p"), ("p", "c1"), ("p", "c2"), ("c1", "d")]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@contextmanager
def watched(city: MeshCity) -> Iterator[None]:
    settings = WatchSettings(interval_s=1, timeout_ms=150, retries=0)
    watch = Watch(city.store, CREDENTIALS, settings, now_ms, random.Random(1), SimpleQueue())
    with serving(watch.run):
        yield


def declare(city: MeshCity, pairs: list[tuple[str, str]]) -> None:
    rows = [DeclaredLink(*sorted(pair), "5", 80.0) for pair in pairs]
    city.store.ops.write(lambda cx: links.declare(cx, rows, 1))


def states(city: MeshCity) -> dict[str, str]:
    return city.store.telemetry.write(nodes.state_names)


def every_alert(city: MeshCity) -> list[tuple[str, str, bool]]:
    """Entity, kind, and whether it is open: of every alert there ever was."""
    query = "SELECT entity_id, kind, closed_ms IS NULL FROM alert ORDER BY alert_id"
    return [(str(a), str(b), bool(c)) for a, b, c in city.store.ops.write(lambda cx: cx.execute(query).fetchall())]


def all_ok(city: MeshCity) -> bool:
    return len(states(city)) == len(city.agents) and set(states(city).values()) == {"ok"}


def until(city: MeshCity, condition: Callable[[], bool], what: str) -> None:
    """Wait for it; where it does not come, every state and alert is told."""
    waiting.until(condition, what, seen=lambda: (states(city), every_alert(city)))


def take_down(city: MeshCity, *names: str, down: bool = True) -> None:
    for name in names:
        city.agents[name].down = down


def test_one_alarm_for_a_dead_parent_and_none_for_its_children(tmp_path: Path) -> None:
    with mesh_city(tmp_path, ["g"], TREE) as city:
        declare(city, TREE)
        heard = Sensor("s1", "s1", "bin", "gesaeubert", attributes=json.dumps({"gateway": "c1"}))
        city.store.ops.write(lambda cx: sensing.upsert_sensors(cx, [heard], 1))
        with watched(city):
            until(city, lambda: all_ok(city), "everybody answers")
            take_down(city, "c1", "c2", "d")  # the children fall silent first, as they do when they are asked first
            until(city, lambda: "warning" in states(city).values(), "a child is suspected")
            take_down(city, "p")
            until(city, lambda: states(city)["p"] == "down", "the parent is down")
            until(
                city,
                lambda: {states(city)[child] for child in ("c1", "c2", "d")} == {"unreachable"},
                "the children wait",
            )
            until(city, lambda: every_alert(city) == [("p", "down", True)], "exactly one alarm")
            (alarm,) = city.store.ops.write(alerts.open_alerts)
            facts = json.loads(alarm.detail)
            assert facts["takes_down"] == ["c1", "c2", "d"]
            assert (facts["sensors"], facts["systems"]) == (1, ["gesaeubert"])
            take_down(city, "p", "c1", "c2", "d", down=False)
            until(city, lambda: all_ok(city), "all are well again")
            until(city, lambda: every_alert(city) == [("p", "down", False)], "the alarm closed and there was no other")


def test_without_known_links_the_uplink_of_the_inventory_decides(tmp_path: Path) -> None:
    with mesh_city(tmp_path, ["g"], [("g", "p"), ("p", "c")], uplinks={"p": "g", "c": "p"}) as city, watched(city):
        until(city, lambda: all_ok(city), "everybody answers")
        take_down(city, "p", "c")
        until(
            city, lambda: states(city) == {"g": "ok", "p": "down", "c": "unreachable"}, "the uplink explains the child"
        )
        # States and alerts are two commits, in this order.
        until(city, lambda: every_alert(city) == [("p", "down", True)], "exactly one alarm")


def test_two_dead_parents_share_what_hangs_on_both(tmp_path: Path) -> None:
    pairs = [("g", "p"), ("g", "q"), ("p", "c"), ("q", "c")]
    with mesh_city(tmp_path, ["g"], pairs) as city:
        declare(city, pairs)
        with watched(city):
            until(city, lambda: all_ok(city), "everybody answers")
            take_down(city, "p", "q", "c")
            wanted = {("p", "down", True), ("q", "down", True), ("p+q", "cut_off", True)}
            until(city, lambda: set(every_alert(city)) == wanted, "two causes, and one alarm for what they share")
            assert states(city)["c"] == "unreachable"
            take_down(city, "q", "c", down=False)
            until(city, lambda: states(city)["c"] == "ok", "one parent is enough")
            wanted = {("p", "down", True), ("q", "down", False), ("p+q", "cut_off", False)}
            until(city, lambda: set(every_alert(city)) == wanted, "what they shared is closed")


def test_maintenance_silences_the_node_and_all_behind_it(tmp_path: Path) -> None:
    with mesh_city(tmp_path, ["g"], TREE) as city:
        declare(city, TREE)
        starts = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() - 3600))
        row = MaintenanceRow("w", "p", "UTC", starts, 600, "", None, "new mast", "anna", 1)
        city.store.ops.write(lambda cx: maintenance.add(cx, row))
        with watched(city):
            until(city, lambda: all_ok(city), "everybody answers")
            take_down(city, "p", "c1", "c2", "d")
            until(city, lambda: states(city)["p"] == "down" and states(city)["d"] == "unreachable", "it is seen")
            assert every_alert(city) == []
            city.store.ops.write(lambda cx: maintenance.end(cx, "w", now_ms()))
            until(city, lambda: every_alert(city) == [("p", "down", True)], "after its end the alarm comes")


def test_a_restart_of_the_engine_changes_nothing(tmp_path: Path) -> None:
    with mesh_city(tmp_path, ["g"], TREE) as city:
        declare(city, TREE)
        with watched(city):
            until(city, lambda: all_ok(city), "everybody answers")
            take_down(city, "p", "c1", "c2", "d")
            until(city, lambda: every_alert(city) == [("p", "down", True)], "one alarm")
            until(city, lambda: list(states(city).values()).count("unreachable") == 3, "the children wait")
        with watched(city):
            polled = now_ms()
            query = "SELECT count(*) FROM node_state WHERE polled_ms > ?"
            until(
                city,
                lambda: city.store.telemetry.write(lambda cx: cx.execute(query, (polled,)).fetchone()[0]) == 5,
                "everybody was asked again",
            )
            take_down(city, "p", "c1", "c2", "d", down=False)
            until(city, lambda: all_ok(city), "all are well again")
            until(city, lambda: every_alert(city) == [("p", "down", False)], "still the one alarm, now closed")
