"""Takes messages from a broker into the store: decode, one transaction, and only then acknowledge."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Literal

from msgspec import structs

from device_drivers import chirpstack_events, json_mapping
from device_drivers.api import Decode, Decoded, Message, QueueSource, QueueState, Reading, Undecodable
from device_drivers.json_mapping import JsonMapping, ObjectFields
from local_store import quarantine
from local_store.db import Store
from local_store.errors import StoreBusy, StoreFull, StoreRefused
from local_store.records import Quarantined
from local_store.sqlite import Connection
from playbooks.ingest_devices import COUNTS, Devices

MOST_AT_ONCE = 4000  # only a backlog fills this; the window of the source bounds a live batch
WAIT_S = 0.5
REPORT_EVERY_S = 1.0
TRY_AGAIN_S = 1.0

Report = Callable[[Mapping[str, object]], None]
Retried = Literal["stored", "duplicate", "quarantined"]


def decoders(mappings: Mapping[str, JsonMapping], profiles: Mapping[str, ObjectFields]) -> dict[str, Decode]:
    """How each kind of payload is read: `chirpstack`, and every declared mapping by its name."""
    return {
        **{name: json_mapping.decoder(mapping) for name, mapping in mappings.items()},
        "chirpstack": chirpstack_events.decoder(profiles),
    }


class Intake:
    """The one door into sensor states and series, shared by the ingests of all brokers of a store."""

    def __init__(self, store: Store, decode: Mapping[str, Decode]) -> None:
        self._store = store
        self._decode = decode
        self._lock = threading.Lock()
        self._devices: Devices | None = None

    def keep(self, messages: Sequence[Message], now_ms: int) -> dict[str, int]:
        """Store all of them or none; returns the counts. Raises StoreFull or StoreBusy, then nothing is stored."""
        decoded = [self._understand(message, now_ms) for message in messages]
        with self._lock:
            devices = self._borrow()
            for message, meaning in zip(messages, decoded, strict=True):
                devices.apply(message, meaning, now_ms)
            counts = self._store.measure(devices.write)
            self._devices = devices
        return counts

    def retry(self, quarantine_id: int, now_ms: int) -> Retried:
        """Read a quarantined message again, with today's configuration and clock. Raises StoreRefused."""
        item = self._store.read(lambda cx: quarantine.get(cx, quarantine_id))
        if not quarantine.is_whole(item):
            raise StoreRefused(f"item {quarantine_id} has {item.size} bytes of which only the first were kept")
        message = Message(item.source, item.topic, item.body, item.kind, 0, retained=False, mid=0, generation=0)
        decoded = self._understand(message, now_ms)
        if isinstance(decoded, Reading) and not decoded.timed:
            decoded = structs.replace(decoded, at_ms=item.at_ms)
        if isinstance(decoded, Undecodable):
            self._store.telemetry.write(lambda cx: quarantine.mark_retried(cx, quarantine_id, now_ms))
            return "quarantined"
        return self._release(item, message, decoded, now_ms)

    def _release(self, item: Quarantined, message: Message, decoded: Decoded, now_ms: int) -> Retried:
        with self._lock:
            devices = self._borrow()
            outcome = devices.apply(message, decoded, now_ms)

            def move(cx: Connection) -> None:
                devices.write(cx)
                quarantine.remove(cx, item.quarantine_id)

            self._store.telemetry.write(move)
            self._devices = devices
        return outcome

    def _understand(self, message: Message, now_ms: int) -> Decoded:
        decode = self._decode.get(message.kind)
        if decode is None:
            return Undecodable("unknown_kind", f"no mapping is declared for {message.kind!r}")
        return decode(message.topic, message.payload, now_ms)

    def _borrow(self) -> Devices:
        """Taken out until the transaction is through: what failed is read again from the store."""
        devices, self._devices = self._devices, None
        return devices if devices is not None else self._store.read(Devices)


class Ingest:
    """One broker's messages on their way into the store, as a service of the engine."""

    def __init__(self, intake: Intake, open_source: Callable[[], QueueSource], now_ms: Callable[[], int]) -> None:
        self._intake = intake
        self._open = open_source
        self._now_ms = now_ms
        self._totals = dict.fromkeys(COUNTS, 0)
        self._unassured = 0

    def run(self, stop: threading.Event, report: Report) -> None:
        """Take, keep, acknowledge until stopped. What cannot be handled here ends it and is reported above."""
        source = self._open()
        due = 0.0
        try:
            while not stop.is_set():
                messages = source.take(MOST_AT_ONCE, WAIT_S)
                if messages and self._keep(messages, source, stop, report):
                    source.acknowledge(messages)
                if monotonic() >= due:
                    due = monotonic() + REPORT_EVERY_S
                    report(self._detail(source.state(), ""))
        finally:
            source.close()

    def _keep(self, messages: Sequence[Message], source: QueueSource, stop: threading.Event, report: Report) -> bool:
        """Keep a batch, however long the store has no room for it; False when stopped before that."""
        while True:
            try:
                counts = self._intake.keep(messages, self._now_ms())
            except (StoreFull, StoreBusy) as error:
                report(self._detail(source.state(), str(error)))
                if stop.wait(TRY_AGAIN_S):
                    return False
            else:
                for name, count in counts.items():
                    self._totals[name] += count
                self._unassured += sum(1 for message in messages if not message.qos)
                return True

    def _detail(self, state: QueueState, blocked: str) -> dict[str, object]:
        """What liveness shows: the connection, the counts since start, and why nothing is stored, if so."""
        return {
            "connected": state.connected,
            "since_ms": state.since_ms,
            "protocol": state.protocol,
            "session_present": state.session_present,
            "connections": state.connections,
            "waiting": state.waiting,
            "acks_dropped": state.acks_dropped,
            "broker_error": "" if state.error is None else str(state.error),
            "blocked": blocked,
            "unassured": self._unassured,
            **self._totals,
        }
