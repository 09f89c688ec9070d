"""Links that break, flap or hang on a dead node, and the alarms they raise: the mesh and poll services over agents."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

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
Watched = tuple[MeshCity, Callable[[int], None]]
"""The city, and a wait for so many rounds."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@contextlib.contextmanager
def watched(
    directory: Path, pairs: list[tuple[str, str]], limits: HealthLimits, interval_s: float
) -> Iterator[Watched]:
    """Nodes asked for their neighbours several times a second, once all is well."""
    told: list[Mapping[str, Any]] = []
    names = {name for pair in pairs for name in pair}

    def asked() -> int:
        return int(told[-1]["reports"]) + int(told[-1]["failed"])

    def rounds(count: int) -> None:
        wanted = asked() + len(names) * count
        until(lambda: asked() >= wanted, f"{count} rounds")

    with mesh_city(directory, ["g"], pairs) as city:
        mesh = MeshSettings(interval_s=interval_s, timeout_ms=300, retries=0, limits=limits)
        polls = WatchSettings(interval_s=1, timeout_ms=300, retries=0)
        asks = Mesh(city.store, CREDENTIALS, mesh, now_ms, random.Random(1))
        watch = Watch(city.store, CREDENTIALS, polls, now_ms, random.Random(2), SimpleQueue())
        with serving(lambda stop, _: asks.run(stop, told.append)), serving(watch.run):
            until(lambda: len(stored(city)) == len(pairs) and states(city) == {"up"}, "all links are up")
            until(lambda: well(city) == names, "all nodes are well")
            yield city, rounds


def stored(city: MeshCity) -> dict[tuple[str, str], LinkState]:
    return {(one.a, one.b): one for one in city.store.telemetry.write(links.load_links)}


def states(city: MeshCity, *ends: str) -> set[str]:
    """The states of the links that have one of these ends, or of all."""
    return {one.state for pair, one in stored(city).items() if not ends or not set(ends).isdisjoint(pair)}


def well(city: MeshCity) -> set[str]:
    query = "SELECT node_id FROM node_state WHERE state = 'ok'"
    return {str(row[0]) for row in city.store.telemetry.write(lambda cx: cx.execute(query).fetchall())}


def alarms(city: MeshCity, *ends: str, kind: str = "link") -> list[tuple[str, bool]]:
    """What every alert there ever was of links (or nodes) with one of these names said, and whether it is open."""
    query = "SELECT entity_id, kind, closed_ms IS NULL FROM alert WHERE entity_kind = ? ORDER BY alert_id"
    rows = city.store.ops.write(lambda cx: cx.execute(query, (kind,)).fetchall())
    return [
        (str(what), bool(is_open)) for entity, what, is_open in rows if not set(ends).isdisjoint(parts(str(entity)))
    ]


def parts(entity: str) -> set[str]:
    return {end.partition("/")[0] for end in entity.split("~")}


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """At once: something between g and a; c dead, before x; something between g and d, which is in maintenance."""
    pairs = [("a", "g"), ("c", "g"), ("c", "x"), ("d", "g")]
    with watched(tmp_path_factory.mktemp("city"), pairs, USUAL, 0.5) as (city, rounds):
        row = MaintenanceRow("w1", "node:d", "UTC", "2020-01-01T00:00", 1_000_000_000, "", None, "antenna", "me", 1)
        city.store.ops.write(lambda cx: maintenance.add(cx, row))
        city.around.broken |= {frozenset(("a", "g")), frozenset(("d", "g"))}
        city.agents["c"].down = True
        until(lambda: states(city) == {"down"}, "all links are down")
        until(lambda: alarms(city, "c", kind="node") == [("down", True)], "the node has its alarm")
        rounds(2)
        yield city, rounds


def test_a_link_that_breaks_between_living_nodes_has_one_alarm_that_closes(troubled: Watched) -> None:
    city, _ = troubled
    assert alarms(city, "a") == [("down", True)], "one for both its ends, whoever of them reports"
    city.around.broken.discard(frozenset(("a", "g")))
    until(lambda: alarms(city, "a") == [("down", False)], "it closes when the link is back")
    assert not alarms(city, "a", kind="node")


def test_links_of_a_dead_node_raise_nothing(troubled: Watched) -> None:
    city, _ = troubled
    assert alarms(city, "c", "x") == []
    city.agents["c"].down = False
    until(lambda: states(city, "c", "x") == {"up"}, "it is back with its links")
    assert alarms(city, "c", "x") == []


def test_a_link_of_a_node_in_maintenance_raises_nothing(troubled: Watched) -> None:
    city, _ = troubled
    assert states(city, "d") == {"down"}
    assert alarms(city, "d") == []


def test_a_link_that_keeps_changing_is_told_once(tmp_path: Path) -> None:
    with watched(tmp_path, [("g", "p")], HASTY, 0.25) as (city, rounds):
        pair = frozenset(("g", "p"))
        for _ in range(2):
            city.around.broken.add(pair)
            until(lambda: states(city) != {"up"}, "it went")
            city.around.broken.clear()
            until(lambda: "up" in said(city)[-1:] or "flapping" in said(city), "it came")
        until(lambda: ("flapping", True) in alarms(city, "p"), "flapping is said")
        before = alarms(city, "p")
        assert [what for what, is_open in before if is_open] == ["flapping"], "instead of that it is down"
        city.around.broken.add(pair)
        rounds(6)
        city.around.broken.clear()
        assert alarms(city, "p") == before, "coming and going raises nothing more"
        until(lambda: not any(is_open for _, is_open in alarms(city, "p")), "calm for a while, it closes")
        assert states(city) == {"up"}


def said(city: MeshCity) -> list[str]:
    query = "SELECT what FROM link_event ORDER BY rowid"
    return [str(row[0]) for row in city.store.telemetry.write(lambda cx: cx.execute(query).fetchall())]
