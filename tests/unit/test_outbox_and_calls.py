"""The lists of what people asked for and of the real calls, and how views are kept."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from local_store import alerts, intents, nodes, oplog, view_settings
from local_store.db import Store
from local_store.filter import FilterError
from local_store.records import AlertKey, Node, NodeState
from local_store.views import calls
from local_store.views.listing import ids, rows
from local_store.views.outbox import OUTBOX, waiting

NOW = 1_795_440_000_000
ARMED = intents.WriteGrant("mk", "network", NOW * 2)


def ask(store: Store, kind: intents.IntentKind, body: dict[str, Any], now_ms: int) -> str:
    rng = random.Random(now_ms)
    return store.ops.write(lambda cx: intents.queue(cx, ARMED, kind, json.dumps(body), now_ms=now_ms, rng=rng))


def listed(store: Store, text: str = "") -> list[dict[str, Any]]:
    keys = store.read(lambda cx: ids(cx, OUTBOX, text, "asked", descending=True))
    found = store.read(lambda cx: rows(cx, OUTBOX, keys))
    return [dict(zip(OUTBOX.columns, found[key], strict=True)) for key in keys]


def test_the_outbox_shows_what_was_asked_and_what_came_of_it(store: Store) -> None:
    key = AlertKey("node", "ge-bue-0412", "down")
    alert = store.ops.write(lambda cx: alerts.open_alert(cx, key, "critical", "{}", NOW))
    ask(store, "alert.acknowledge", {"alert_id": alert.alert_id, "reason": "ich", "until_ms": NOW + 9}, NOW)
    refused = ask(store, "node.poll", {"node_id": "ge-bue-0001"}, NOW + 1)
    store.ops.write(lambda cx: intents.decide(cx, refused, "refused", "no such node", NOW + 2))
    change = oplog.Change("node", "ge-bue-0009", "declared", {"name": "Mast"})
    store.ops.write(lambda cx: oplog.record(cx, change, "vb", now_ms=NOW + 3, rng=random.Random(3)))
    brought_about = oplog.Change("alert", "node/ge-bue-0412/down", "acknowledge", {"acked_by": "mk"})
    store.ops.write(lambda cx: oplog.record(cx, brought_about, "mk", now_ms=NOW + 4, rng=random.Random(4)))
    found = listed(store)
    assert [(row["state"], row["kind"], row["about"], row["asked"] - NOW) for row in found] == [
        ("recorded", "node.declared", "ge-bue-0009", 3),
        ("refused", "node.poll", "ge-bue-0001", 1),
        ("queued", "alert.acknowledge", "ge-bue-0412", 0),
    ]
    assert found[1]["result"] == "no such node"
    assert [row["actor"] for row in listed(store, "zustand:recorded")] == ["vb"]
    assert store.read(waiting) == 1


def state(number: int, said: list[tuple[int, str]]) -> NodeState:
    return replace(NodeState(f"n{number}", "ok", 1, "", NOW, NOW + number), calls=json.dumps(said).encode())


def test_calls_of_all_nodes_are_merged_by_time_and_filtered(store: Store) -> None:
    known = [Node(f"n{at}", f"Mast {at}", "10.0.0.1", "mesh", district=("Buer", "Horst")[at % 2]) for at in range(4)]
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, known, NOW))
    states = [state(at, [(NOW + at, "snmp get: 2 ms"), (NOW + 10 * at, "ssh: 9 ms")]) for at in range(4)]
    store.telemetry.write(lambda cx: nodes.save_states(cx, states))
    found = store.read(calls.recent)
    assert [one.at_ms - NOW for one in found] == [30, 20, 10, 3, 2, 1, 0, 0]
    assert len({one.key for one in found}) == 8
    assert [one.node_id for one in store.read(lambda cx: calls.recent(cx, "bezirk:horst ssh"))] == ["n3", "n1"]
    assert len(store.read(lambda cx: calls.recent(cx, limit=3))) == 3
    with pytest.raises(FilterError):
        store.read(lambda cx: calls.recent(cx, "nothing:1"))


def test_views_are_kept_and_forgotten(store: Store) -> None:
    store.ops.write(lambda cx: view_settings.keep(cx, "nodes", {"sort": "rtt", "descending": True}))
    store.ops.write(lambda cx: view_settings.keep(cx, "nodes", {"sort": "loss"}))
    assert store.read(lambda cx: view_settings.read(cx, "nodes")) == {"descending": True, "sort": "loss"}
    assert store.ops.write(lambda cx: view_settings.forget(cx, "nodes", "sort"))
    assert not store.ops.write(lambda cx: view_settings.forget(cx, "nodes", "sort"))
    assert store.read(lambda cx: view_settings.read(cx, "alerts")) == {}
