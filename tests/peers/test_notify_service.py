"""A trap from net-snmp through the notify service: a row in the store and a node asked at once."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Mapping
from queue import Empty, SimpleQueue

from device_drivers.api import SnmpCredentials
from local_store import nodes, sensing, tally
from local_store.db import Store
from local_store.records import EngineMemory, Node
from playbooks.notify import Notify, NotifySettings
from tests.conftest import require_peer

WAIT_S = 15
NOW = 1_790_000_000_000
THEIRS = "8000000001020304aa"
RIGHTS = SnmpCredentials("3", "", "ops", "sha256", "authenticate-me", "aes128", "keep-it-private")
V3 = [
    "-v3",
    "-u",
    "ops",
    "-l",
    "authPriv",
    "-a",
    "SHA-256",
    "-A",
    "authenticate-me",
    "-x",
    "AES",
    "-X",
    "keep-it-private",
]


def test_a_trap_is_stored_and_its_node_is_asked(store: Store) -> None:
    node = Node("ge-bue-0001", "Mast 1", "127.0.0.1", "mesh")
    engine = EngineMemory(node.node_id, bytes.fromhex(THEIRS), 1, 1, NOW)
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, [node], NOW))
    store.telemetry.write(lambda cx: nodes.save_engines(cx, [engine]))
    poll_now: SimpleQueue[str] = SimpleQueue()
    stop, reports = threading.Event(), SimpleQueue[Mapping[str, object]]()
    service = Notify(store, {"default": RIGHTS}, NotifySettings("127.0.0.1", 0), lambda: NOW, poll_now)
    thread = threading.Thread(target=service.run, args=(stop, reports.put))
    thread.start()
    try:
        port = reports.get(timeout=WAIT_S)["port"]
        for engine_id in (THEIRS, "8000000001020304bb"):
            command = [require_peer("snmptrap"), *V3, "-e", f"0x{engine_id}", f"udp:127.0.0.1:{port}", ""]
            subprocess.run([*command, "1.3.6.1.6.3.1.1.5.1"], check=True)
        deadline = time.monotonic() + WAIT_S
        while (detail := reports.get(timeout=WAIT_S))["received"] != 2 and time.monotonic() < deadline:
            pass
        assert poll_now.get(timeout=WAIT_S) == "ge-bue-0001"
    finally:
        stop.set()
        thread.join(WAIT_S)
    assert (detail["accepted"], detail["refused"]) == (1, {"unknown_engine": 1})
    assert detail["unknown_engines"] == ["8000000001020304bb 127.0.0.1 (1)"]
    (event,) = store.read(lambda cx: sensing.device_events(cx, "ge-bue-0001", 10))
    assert (event.kind, json.loads(event.body)["kind"], event.at_ms) == ("trap", "cold_start", NOW)
    assert store.telemetry.write(tally.read)["notifications"] == 1


def test_a_trap_of_a_node_that_is_known_by_its_host_name(store: Store) -> None:
    node = Node("ge-bue-0001", "Mast 1", "localhost", "mesh")
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, [node], NOW))
    poll_now: SimpleQueue[str] = SimpleQueue()
    stop, reports = threading.Event(), SimpleQueue[Mapping[str, object]]()
    rights = {"default": SnmpCredentials("2c", "street")}
    service = Notify(store, rights, NotifySettings("127.0.0.1", 0), lambda: NOW, poll_now)
    thread = threading.Thread(target=service.run, args=(stop, reports.put))
    thread.start()
    try:
        where = f"udp:127.0.0.1:{reports.get(timeout=WAIT_S)['port']}"
        deadline, asked = time.monotonic() + WAIT_S, ""
        while not asked and time.monotonic() < deadline:
            command = [require_peer("snmptrap"), "-v2c", "-c", "street", where, "", "1.3.6.1.6.3.1.1.5.1"]
            subprocess.run(command, check=True)
            with contextlib.suppress(Empty):
                asked = poll_now.get(timeout=0.5)
        assert asked == "ge-bue-0001"
    finally:
        stop.set()
        thread.join(WAIT_S)
