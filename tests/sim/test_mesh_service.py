"""The mesh service over simulated agents and a real store."""

from __future__ import annotations

import random
import time
from pathlib import Path
from queue import SimpleQueue

from device_drivers.simcity.wired import CREDENTIALS
from local_store import links, nodes
from local_store.mesh_records import LinkState
from playbooks.mesh import Mesh, MeshSettings
from playbooks.watch import Watch, WatchSettings
from tests.sim.mesh_city import MeshCity, mesh_city, serving, until


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def service(city: MeshCity) -> Mesh:
    return Mesh(
        city.store, CREDENTIALS, MeshSettings(interval_s=1, timeout_ms=300, retries=0), now_ms, random.Random(1)
    )


def stored(city: MeshCity) -> dict[tuple[str, str], LinkState]:
    return {(one.a, one.b): one for one in city.store.telemetry.write(links.load_links)}


def test_links_are_found_lost_and_found_again(tmp_path: Path) -> None:
    with mesh_city(tmp_path, ["g"], [("g", "p"), ("p", "x")]) as city, serving(service(city).run):
        until(lambda: len(stored(city)) == 2, "both links are known")
        city.agents["p"].down = True
        until(lambda: stored(city)["g", "p"].state == "down", "the gateway misses its neighbour")
        city.agents["p"].down = False
        until(lambda: stored(city)["g", "p"].state != "down", "it is there again")
        until(lambda: stored(city)["g", "p"].conflict == "", "both ends agree again")
    with_history = city_events(tmp_path)
    assert [what for _, what in with_history][:2] == ["appeared", "appeared"]
    assert "down" in [what for link_id, what in with_history if link_id.startswith("g/")]


def city_events(directory: Path) -> list[tuple[str, str]]:
    from local_store.db import Reader

    reader = Reader(directory, None)
    rows = reader.read(lambda cx: cx.execute("SELECT link_id, what FROM tm.link_event ORDER BY rowid").fetchall())
    reader.close()
    return [(str(link), str(what)) for link, what in rows]


def test_a_node_that_nobody_declared_is_listed_as_unknown(tmp_path: Path) -> None:
    with mesh_city(tmp_path, ["g"], [("g", "p"), ("p", "stranger")]) as city:
        city.store.ops.write(lambda cx: cx.execute("DELETE FROM node WHERE node_id = 'stranger'"))
        with serving(service(city).run):
            until(lambda: unknown(city) == {("p", "mesh0", "unknown")}, "the stranger is seen")
            until(lambda: set(stored(city)) == {("g", "p")}, "the link to the neighbour that was declared")


def test_a_node_declared_later_is_asked_at_once_and_its_neighbours_again(tmp_path: Path) -> None:
    with mesh_city(tmp_path, ["g"], [("g", "p"), ("p", "late")]) as city:
        row = "UPDATE node SET retired_ms = ?, changed_ms = ? WHERE node_id = 'late'"
        city.store.ops.write(lambda cx: cx.execute(row, (1, 2)))
        slow = MeshSettings(interval_s=600, timeout_ms=300, retries=0)
        mesh = Mesh(city.store, CREDENTIALS, slow, now_ms, random.Random(1))
        with serving(mesh.run):
            until(lambda: unknown(city) == {("p", "mesh0", "unknown")}, "it is heard and known to nobody")
            city.store.ops.write(lambda cx: cx.execute(row, (None, 3)))
            until(lambda: set(stored(city)) == {("g", "p"), ("late", "p")}, "its link is there")
            until(lambda: not unknown(city), "and nothing is unknown any more")


def unknown(city: MeshCity) -> set[tuple[str, str, str]]:
    query = "SELECT seen_by, ifname, reason FROM unknown_end"
    return set(city.store.telemetry.write(lambda cx: cx.execute(query).fetchall()))


def test_how_many_clients_a_hotspot_serves_reaches_its_state(tmp_path: Path) -> None:
    told: SimpleQueue[tuple[str, int]] = SimpleQueue()
    with mesh_city(tmp_path, ["g"], [("g", "p")]) as city:
        city.around.most_guests["p"] = 9
        mesh_settings, poll_settings = MeshSettings(interval_s=1), WatchSettings(interval_s=1)
        asks = Mesh(city.store, CREDENTIALS, mesh_settings, now_ms, random.Random(1), clients=told)
        polls = Watch(city.store, CREDENTIALS, poll_settings, now_ms, random.Random(2), SimpleQueue(), told)

        def clients(node_id: str) -> int | None:
            state = city.store.telemetry.write(lambda cx: nodes.get_state(cx, node_id))
            return state.clients if state else None

        with serving(asks.run), serving(polls.run):
            until(lambda: clients("p") in range(10), "the hotspot's clients are counted")
            until(lambda: len(stored(city)) == 1, "its guests are no neighbours")
        assert clients("g") is None


def test_a_node_that_rebooted_is_asked_for_its_neighbours_at_once(tmp_path: Path) -> None:
    back: SimpleQueue[str] = SimpleQueue()
    with mesh_city(tmp_path, ["g"], [("g", "p")]) as city:
        slow = MeshSettings(interval_s=6000, timeout_ms=300, retries=0)
        asks = Mesh(city.store, CREDENTIALS, slow, now_ms, random.Random(1), back=back)
        polls = Watch(
            city.store, CREDENTIALS, WatchSettings(interval_s=1), now_ms, random.Random(2), SimpleQueue(), back=back
        )
        told: list[dict[str, object]] = []

        def ok(node_id: str) -> bool:
            state = city.store.telemetry.write(lambda cx: nodes.get_state(cx, node_id))
            return state is not None and state.state == "ok"

        with serving(lambda stop, _: asks.run(stop, lambda detail: told.append(dict(detail)))), serving(polls.run):
            until(lambda: len(stored(city)) == 1 and told[-1]["reports"] == 2 and ok("p"), "all is well")
            city.agents["p"].reboot(0.0)
            until(lambda: told[-1]["reports"] == 3, "it was asked once more")
