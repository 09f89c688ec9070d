"""What is sent over SSH: bounded in the store, merged with SNMP by time, without secrets, and nobody waits for it."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from console.call_log import MOST, CallLog
from local_store import nodes, ssh_calls
from local_store.db import Store
from local_store.errors import StoreFull
from local_store.records import Node, NodeState
from local_store.space import Guard
from local_store.views import calls
from local_store.views.nodes import detail
from tests.journeys.processes import until

NOW = 1_795_440_000_000


def kept(store: Store, node_id: str) -> list[str]:
    return [text for _at, text in store.read(lambda cx: ssh_calls.newest(cx, node_id))]


def known(store: Store, *names: str) -> None:
    found = [Node(name, f"Mast {name}", "10.0.0.1", "mesh", district="Buer") for name in names]
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, found, NOW))


def test_each_node_keeps_its_newest_and_nobody_what_is_old(store: Store) -> None:
    store.note(lambda cx: ssh_calls.keep(cx, [("quiet", NOW, "ssh old"), ("silent", NOW + 9, "ssh one")]))
    busy = [("busy", NOW + at, f"ssh {at}") for at in range(ssh_calls.KEPT + 5)]
    store.note(lambda cx: ssh_calls.keep(cx, busy))
    assert kept(store, "busy") == [f"ssh {at}" for at in reversed(range(5, ssh_calls.KEPT + 5))]
    store.note(lambda cx: ssh_calls.keep(cx, [("busy", NOW + 5 + ssh_calls.KEPT_MS, "ssh late")]))
    assert (kept(store, "quiet"), kept(store, "silent")) == ([], ["ssh one"])


def test_both_ways_to_a_node_are_one_list_by_time(store: Store) -> None:
    known(store, "n1", "n2")
    said = json.dumps([(NOW + 1, "snmp get: 2 ms"), (NOW + 5, "snmp get: 3 ms")]).encode()
    store.telemetry.write(
        lambda cx: nodes.save_states(cx, [replace(NodeState("n1", "ok", 1, "", NOW, NOW), calls=said)])
    )
    sent = [("n1", NOW + 3, "ssh : leitstand board"), ("n2", NOW + 4, "ssh cat"), ("[ssh.gate]", NOW + 4, "ssh true")]
    store.note(lambda cx: ssh_calls.keep(cx, [*sent, ("n1", NOW + 3, "ssh : leitstand board")]))
    found = store.read(calls.recent)
    assert [(one.at_ms - NOW, one.node_id) for one in found] == [
        (5, "n1"), (4, "[ssh.gate]"), (4, "n2"), (3, "n1"), (3, "n1"), (1, "n1"),
    ]  # fmt: skip
    assert len({one.key for one in found}) == 6, "the same command twice in a millisecond is two calls"
    assert [one.at_ms - NOW for one in store.read(lambda cx: calls.recent(cx, "node:n1 call:ssh"))] == [3, 3]
    assert [one.node_id for one in store.read(lambda cx: calls.recent(cx, "district:buer cat"))] == ["n2"]
    shown = store.read(lambda cx: detail(cx, "n1"))
    assert shown is not None
    assert [at - NOW for at, _text in shown.calls] == [1, 3, 3, 5]
    unpolled = store.read(lambda cx: detail(cx, "n2"))
    assert unpolled is not None
    assert unpolled.calls == ((NOW + 4, "ssh cat"),)


def test_a_retired_node_takes_its_calls_out_of_the_list(store: Store) -> None:
    known(store, "n1")
    store.note(lambda cx: ssh_calls.keep(cx, [("n1", NOW, "ssh true")]))
    store.ops.write(lambda cx: cx.execute("UPDATE node SET retired_ms = ?", (NOW,)))
    assert store.read(calls.recent) == []


def test_no_secret_and_no_flood_reaches_the_store(store: Store) -> None:
    log = CallLog(store)
    log("n1", "uci set wireless.ap.key='hunter2'\nuci commit")
    log("n1", "echo " + "x" * 10_000)
    assert kept(store, "n1") == [], "a batch, not a write a line"
    log.flush()
    long, masked = kept(store, "n1")
    assert masked == "ssh uci set wireless.ap.key=*** uci commit"
    assert len(long) < 500


def test_a_full_disk_stops_nobody_and_what_waited_is_kept_later(store: Store) -> None:
    free = [10 << 30]
    narrow = Store(store.directory, store.key, Guard(store.directory, free=lambda: free[0]))
    log = CallLog(narrow)
    free[0] = 0
    stop = threading.Event()
    stop.set()
    log("n1", "first")
    with pytest.raises(StoreFull):
        log.run(stop, lambda _detail: None)
    for at in range(MOST + 2):  # after its end the service writes each line at once: each try is refused
        log("n1", f"line {at}")
    free[0] = 10 << 30
    log("n1", "last")
    found = kept(narrow, "n1")
    assert found[0] == "ssh last"
    log.flush()
    assert len(kept(narrow, "n1")) == ssh_calls.KEPT
    narrow.close()


def test_the_service_writes_by_itself(store: Store) -> None:
    log, stop = CallLog(store), threading.Event()
    thread = threading.Thread(target=log.run, args=(stop, lambda _detail: None))
    thread.start()
    log("n1", "true")
    until(lambda: kept(store, "n1") == ["ssh true"], "the line is in the store")
    stop.set()
    thread.join()
    log("n1", "after the end")
    assert kept(store, "n1")[0] == "ssh after the end", "other services may still be ending"
