"""Takes traps and informs: each becomes a row, and a reason to ask its node at once. A standing playbook.

A notification is a hint and never a state: what is wrong is what polling finds, so a lost or forged one costs nothing.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

from device_drivers.api import SnmpCredentials
from device_drivers.host_names import HostNames, is_numeric
from device_drivers.snmp_gate import Notification, Sender
from device_drivers.snmp_notify import Receiver
from local_store import nodes, oplog, sensing, tally
from local_store.db import Store
from local_store.errors import StoreFull
from local_store.records import DeviceEventRow
from local_store.sqlite import Connection

STEP_S: Final = 0.25
FLUSH_S: Final = 0.5
SENDERS_S: Final = 10.0
NAMES_S: Final = 1.0
ASK_AGAIN_MS: Final = 5_000
MOST_HELD: Final = 5_000
ENGINE_ID_HEAD: Final = bytes.fromhex("8000000005")
"""RFC 3411 section 5, SnmpEngineID: no enterprise number, format 5, octets of our own choice."""
BOOTS_SINCE_MS: Final = 1_577_836_800_000
BOOT_MS: Final = 10_000

Report = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """Where to listen."""

    host: str
    port: int


class Notify:
    """One run of the notify service. `poll_now` is the watch's."""

    def __init__(
        self,
        store: Store,
        profiles: Mapping[str, SnmpCredentials],
        settings: NotifySettings,
        now_ms: Callable[[], int],
        poll_now: SimpleQueue[str],
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._settings = settings
        self._now_ms = now_ms
        self._poll_now = poll_now
        self._events: list[DeviceEventRow] = []
        self._asked: dict[str, int] = {}
        self._senders: list[Sender] = []
        self._unusable: list[tuple[str, str]] = []
        self._names = HostNames()
        self._is_looking_up = False
        self._dropped = 0
        self._full = ""

    def run(self, stop: threading.Event, report: Report) -> None:
        """Receive until stopped. Raises Refused when the port cannot be had; the supervisor tries again."""
        receiver = self._open()
        try:
            flushed = looked = time.monotonic()
            self._know(receiver)
            report(self._detail(receiver))
            while not stop.is_set():
                receiver.step(STEP_S)
                now = time.monotonic()
                if now - flushed >= FLUSH_S:
                    self._flush()
                    report(self._detail(receiver))
                    flushed = now
                if now - looked >= (NAMES_S if self._is_looking_up else SENDERS_S):
                    self._know(receiver)
                    looked = now
            self._flush()
        finally:
            receiver.close()
            self._names.close()

    def _open(self) -> Receiver:
        """Our engine keeps its id through the store's own name; its boots grow with the clock, as RFC 3414 wants
        them to grow from start to start, without a counter that a lost file would reset."""
        rng = random.SystemRandom()
        replica = self._store.ops.write(lambda cx: oplog.replica_id(cx, rng))
        boots = max(1, (self._now_ms() - BOOTS_SINCE_MS) // BOOT_MS)
        engine_id = ENGINE_ID_HEAD + replica.encode()[:16]
        return Receiver(self._take, self._settings.host, self._settings.port, engine_id, boots)

    def _know(self, receiver: Receiver) -> None:
        """Nodes that may send, with the engines polling has learned; passed on only when something changed."""
        self._is_looking_up = False
        engines = self._store.telemetry.write(nodes.load_engines)
        found: list[Sender] = []
        for node in self._store.read(nodes.all_nodes):
            credentials = self._profiles.get(node.profile)
            if credentials is not None:
                engine = engines.get(node.node_id)
                known = (b"", 0) if engine is None else (engine.engine_id, engine.boots)
                found.append(Sender(node.node_id, self._numeric(node.address), credentials, *known))
        if found != self._senders:
            self._senders = found
            self._unusable = receiver.know(found)

    def _numeric(self, address: str) -> str:
        """What a datagram's sender is called; a host name as it is as long as the resolver has no answer."""
        if is_numeric(address):
            return address
        found = self._names.numeric(address)
        self._is_looking_up |= found is None and not self._names.failed(address)
        return found or address

    def _take(self, one: Notification) -> None:
        now_ms = self._now_ms()
        facts = {
            "kind": one.kind,
            "oid": ".".join(map(str, one.trap_oid)),
            "interface": one.interface,
            "address": one.address,
            "version": one.version,
        }
        if len(self._events) < MOST_HELD:
            body = json.dumps(facts, ensure_ascii=False)
            self._events.append(DeviceEventRow(now_ms, one.node_id or one.address, "trap", body))
        else:
            self._dropped += 1
        if one.node_id and not 0 <= now_ms - self._asked.get(one.node_id, 0) < ASK_AGAIN_MS:
            self._asked[one.node_id] = now_ms
            self._poll_now.put(one.node_id)

    def _flush(self) -> None:
        """Store what came; while the disk is full it waits, up to a limit."""
        events = self._events
        if not events:
            return

        def write(cx: Connection) -> None:
            sensing.add_device_events(cx, events)
            tally.add(cx, {"notifications": len(events)})

        try:
            self._store.telemetry.write(write)
        except StoreFull as error:
            self._full = str(error)
            return
        self._full = ""
        self._events = []

    def _detail(self, receiver: Receiver) -> dict[str, object]:
        state = receiver.state()
        detail: dict[str, object] = {
            "port": receiver.port,
            "received": state.received,
            "accepted": state.accepted,
            "overrun": state.overrun,
            "dropped": self._dropped,
            "store_full": self._full,
            "refused": state.doubts,
            "unknown_engines": [f"{one.engine_id} {one.address} ({one.count})" for one in state.unknown[:20]],
            "without_keys": [f"{node_id}: {why}" for node_id, why in self._unusable[:20]],
        }
        return detail
