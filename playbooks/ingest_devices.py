"""What ingest knows of every device, in memory as in the store: applies decoded messages, counts and remembers.

One transaction takes a batch: `apply` changes the memory and collects rows, `write` writes them. If the
transaction fails, the memory is read again from the store, which alone is true.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from device_drivers.api import Decoded, DeviceEvent, Message, Reading, Undecodable
from local_store import hearing, quarantine, recent, sensing, tally
from local_store.records import DeviceEventRow, QuarantineRow, SensorState
from local_store.sqlite import Connection
from local_store.telemetry import tail
from local_store.telemetry.series import SeriesIds
from playbooks import ingest_windows as windows

Outcome = Literal["stored", "duplicate", "quarantined"]
_KEY_BYTES = 12
_STORED, _QUARANTINED = b"stored", b"quarantined"  # a retry from quarantine is no repeat
_SPEAKS = frozenset({"join", "status", "ack", "location"})  # the device itself was heard; log and txack are its server
_readings = msgspec.json.Decoder(dict[str, float])


@dataclass(slots=True)
class Device:
    """One device, changed in place; `row` is what `sensor_state` holds of it."""

    sensor_id: str
    source: str
    seen_ms: int
    name: str = ""
    profile: str = ""
    joined_ms: int | None = None
    fcnt: int | None = None
    received: int = 0
    duplicates: int = 0
    gaps: int = 0
    battery_pct: float | None = None
    margin_db: float | None = None
    rssi_dbm: float | None = None
    snr_db: float | None = None
    sf: int | None = None
    gateways: int | None = None
    last_log: str = ""
    reading: dict[str, float] = field(default_factory=dict)
    memory: windows.Memory = windows.EMPTY
    heard: hearing.Heard = hearing.NOBODY

    def row(self) -> SensorState:
        """As stored."""
        session = self.memory.now.session if self.memory.now is not None else ""
        return SensorState(
            self.sensor_id,
            self.source,
            self.seen_ms,
            self.name,
            self.profile,
            self.joined_ms,
            session,
            self.fcnt,
            self.received,
            self.duplicates,
            self.gaps,
            self.battery_pct,
            self.margin_db,
            self.rssi_dbm,
            self.snr_db,
            self.sf,
            self.gateways,
            self.last_log,
            msgspec.json.encode(self.reading),
            windows.to_bytes(self.memory, self.heard),
        )


def device_of(row: SensorState) -> Device:
    """As read from the store."""
    return Device(
        row.sensor_id,
        row.source,
        row.seen_ms,
        row.name,
        row.profile,
        row.joined_ms,
        row.fcnt,
        row.received,
        row.duplicates,
        row.gaps,
        row.battery_pct,
        row.margin_db,
        row.rssi_dbm,
        row.snr_db,
        row.sf,
        row.gateways,
        row.last_log,
        _readings.decode(row.reading),
        *windows.from_bytes(row.dedup),
    )


class Recent:
    """Keys of the last stored messages without a counter."""

    def __init__(self, kept: Iterable[tuple[int, bytes]]) -> None:
        self._keys = {key: place for place, key in kept}
        self._next = max(self._keys.values(), default=-1) + 1
        self.fresh: list[tuple[int, bytes]] = []

    def __contains__(self, key: bytes) -> bool:
        return key in self._keys

    def add(self, key: bytes) -> None:
        """Remember a key in the next slot, whose former key is forgotten."""
        self._keys.pop(key, None)
        self._keys[key] = self._next
        self.fresh.append((self._next, key))
        self._next += 1
        oldest = next(iter(self._keys))
        if self._keys[oldest] <= self._next - 1 - recent.SLOTS:
            del self._keys[oldest]


def key_of(message: Message, purpose: bytes) -> bytes:
    """Topic and payload in few bytes; the payload holds the device's time where it has one."""
    digest = hashlib.blake2b(message.payload, digest_size=_KEY_BYTES, person=purpose)
    digest.update(b"\0" + message.topic.encode(errors="surrogateescape"))
    return digest.digest()


class Devices:
    """The memory of all devices and the rows of the batch at hand."""

    def __init__(self, cx: Connection) -> None:
        self._devices = {row.sensor_id: device_of(row) for row in sensing.load_sensor_states(cx).values()}
        self._recent = Recent(recent.load(cx))
        self._series = SeriesIds()
        self._series.load(cx)
        self._begin()

    def _begin(self) -> None:
        self._touched: dict[str, Device] = {}
        self._events: list[DeviceEventRow] = []
        self._quarantined: list[QuarantineRow] = []
        self._samples: list[tuple[str, str, int, float]] = []
        self._counts = dict.fromkeys(COUNTS, 0)
        self._recent.fresh = []

    def apply(self, message: Message, decoded: Decoded, now_ms: int) -> Outcome:
        """Take one message into the batch."""
        if isinstance(decoded, Reading):
            outcome = self._reading(message, decoded, now_ms)
        elif isinstance(decoded, DeviceEvent):
            outcome = self._event(message, decoded, now_ms)
        else:
            outcome = self._undecodable(message, decoded, now_ms)
        self._counts["messages_received"] += 1
        self._counts[_COUNT_OF[outcome]] += 1
        return outcome

    def write(self, cx: Connection) -> dict[str, int]:
        """Write the batch; returns its counts. The memory is in step with the store once this is committed."""
        self._series.settle()  # were the batch before this one not committed, this memory would be gone
        number = self._series.number
        self._counts["measurements"] = len(self._samples)
        rows = [(number(cx, (entity, what)), t_ms, value) for entity, what, t_ms, value in self._samples]
        tail.append(cx, rows)
        sensing.save_sensor_states(cx, [device.row() for device in self._touched.values()])
        sensing.add_device_events(cx, self._events)
        quarantine.add(cx, self._quarantined)
        recent.save(cx, self._recent.fresh)
        tally.add(cx, self._counts)
        counts = self._counts
        self._begin()
        return counts

    def _device(self, message: Message, device: str, at_ms: int) -> Device:
        known = self._touched.get(device)
        if known is None:
            known = self._devices.get(device)
            if known is None:
                known = self._devices[device] = Device(device, message.broker, at_ms)
            self._touched[device] = known
        return known

    def _repeated(self, message: Message, purpose: bytes, *, timed: bool) -> bool:
        """Whether a message without a counter was taken for this purpose before; remembers it if not.

        Without a time of its own an equal payload is news, unless the broker says that it sends it again.
        """
        key = key_of(message, purpose)
        if (timed or message.dup) and key in self._recent:
            return True
        self._recent.add(key)
        return False

    def _reading(self, message: Message, reading: Reading, now_ms: int) -> Outcome:
        if message.retained and not reading.timed:
            return "duplicate"  # the copy of an earlier message, of which nobody knows how old it is
        device = self._device(message, reading.device, min(reading.at_ms, now_ms))
        if reading.counter is not None:
            at_ms = reading.at_ms if reading.timed else None
            new, gaps, device.memory = windows.judge(device.memory, reading.session, reading.counter, at_ms)
            device.gaps += gaps
        else:
            new = not self._repeated(message, _STORED, timed=reading.timed)
        if not new:
            device.duplicates += 1
            return "duplicate"
        device.received += 1
        if reading.heard_by:
            device.heard = hearing.remember(device.heard, reading.heard_by)
        seen_ms = min(reading.at_ms, now_ms)  # a clock that is ahead must not make the next readings look late
        if seen_ms >= device.seen_ms:
            device.seen_ms = seen_ms
            self._latest(device, message, reading)
        if reading.refused:
            self._counts["values_refused"] += len(reading.refused)
            device.last_log = f"REFUSED {', '.join(reading.refused)}"
        self._measured(reading.device, reading.at_ms, reading.values)
        self._measured(reading.device, reading.at_ms, {"rssi_dbm": reading.rssi_dbm, "snr_db": reading.snr_db})
        return "stored"

    def _latest(self, device: Device, message: Message, reading: Reading) -> None:
        """The newest reading says what the device looks like; a late one only fills the series."""
        device.source = message.broker
        device.name = reading.name or device.name
        device.profile = reading.profile or device.profile
        if reading.counter is not None:
            device.fcnt = reading.counter
        if reading.gateways is not None:
            device.rssi_dbm, device.snr_db = reading.rssi_dbm, reading.snr_db
            device.sf, device.gateways = reading.sf, reading.gateways
        device.battery_pct = reading.values.get("battery_pct", device.battery_pct)
        device.reading.update(reading.values)

    def _event(self, message: Message, event: DeviceEvent, now_ms: int) -> Outcome:
        if self._repeated(message, _STORED, timed=event.timed):
            return "duplicate"
        self._events.append(DeviceEventRow(event.at_ms, event.device, event.kind, event.body))
        speaks = event.kind in _SPEAKS
        if not speaks and event.device not in self._devices:
            return "stored"
        device = self._device(message, event.device, min(event.at_ms, now_ms))
        device.name = event.name or device.name
        device.profile = event.profile or device.profile
        if speaks:
            device.seen_ms = max(device.seen_ms, min(event.at_ms, now_ms))
        if event.kind == "join":
            device.joined_ms = max(device.joined_ms or 0, event.at_ms)
            device.memory = windows.joined(device.memory, event.session, event.at_ms)
        elif event.kind == "status":
            device.battery_pct, device.margin_db = event.battery_pct, event.margin_db
            self._measured(event.device, event.at_ms, {"battery_pct": event.battery_pct, "margin_db": event.margin_db})
        elif event.kind == "log":
            device.last_log = event.text
        return "stored"

    def _undecodable(self, message: Message, why: Undecodable, now_ms: int) -> Outcome:
        if self._repeated(message, _QUARANTINED, timed=False):
            return "duplicate"
        reason = f"{why.reason}: {why.detail}"
        self._quarantined.append(
            QuarantineRow(now_ms, message.broker, message.topic, message.kind, reason, message.payload)
        )
        return "quarantined"

    def _measured(self, device: str, at_ms: int, values: dict[str, float] | dict[str, float | None]) -> None:
        for quantity, value in values.items():
            if value is not None:
                self._samples.append((device, quantity, at_ms, value))


COUNTS = (
    "messages_received",
    "messages_stored",
    "messages_duplicate",
    "messages_quarantined",
    "measurements",
    "values_refused",
)
_COUNT_OF: dict[Outcome, str] = {
    "stored": "messages_stored",
    "duplicate": "messages_duplicate",
    "quarantined": "messages_quarantined",
}
