"""Ingest into a real store from a broker in memory that keeps what is not acknowledged and sends it again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest
from msgspec import structs

from device_drivers.api import Message, QueueState
from device_drivers.json_mapping import JsonMapping
from local_store import quarantine, sensing, tally
from local_store.db import Store
from local_store.errors import StoreFull, StoreRefused
from local_store.records import DeviceEventRow, SensorState
from local_store.sqlite import Connection
from local_store.telemetry import tail as arrived
from playbooks.ingest import Ingest, Intake, decoders
from tests.unit.chirpstack_samples import EUI, NOW_MS, device, encoded, event, topic, up

MAPPING = msgspec.convert({"device_level": 2, "time": "t", "values": {"rain_mm": "r"}}, JsonMapping)
BARE = msgspec.convert({"device_level": 2, "values": {"count_in": "n"}}, JsonMapping)
WAIT_S = 10.0
SECOND = 1000


@pytest.fixture
def intake(store: Store) -> Intake:
    return Intake(store, decoders({"rain": MAPPING, "bare": BARE}, {}))


def uplink(counter: int, *, at_s: float = 0, addr: str = "01", **more: Any) -> Message:
    seconds = int(at_s) + counter
    when = f"2026-11-23T{12 + seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}Z"
    return message(topic("up"), up(counter, time=when, devAddr=addr, **more))


def message(where: str, body: dict[str, Any] | bytes, kind: str = "chirpstack", **more: Any) -> Message:
    payload = body if isinstance(body, bytes) else encoded(body)
    fields: dict[str, Any] = {"qos": 1, "retained": False, "mid": 1, "generation": 1, **more}
    return Message("west", where, payload, kind, **fields)


def states(store: Store) -> dict[str, SensorState]:
    return store.read(sensing.load_sensor_states)


def tail(store: Store) -> list[tuple[str, str, int, float]]:
    def read(cx: Connection) -> list[tuple[str, str, int, float]]:
        names = {key: (entity, what) for key, entity, what in cx.execute("SELECT * FROM tm.series")}
        return [(*names[key], t_ms, value) for key, t_ms, value in arrived.between(cx, 0, 2**62, "tm").tolist()]

    return store.read(read)


def test_an_uplink_becomes_measurements_and_a_state(store: Store, intake: Intake) -> None:
    counts = intake.keep([message(topic("up"), up(12))], NOW_MS)
    at_ms = NOW_MS - 1857
    assert {(what, t_ms, value) for _, what, t_ms, value in tail(store)} == {
        ("battery_pct", at_ms, 92.0),
        ("temperature_c", at_ms, 25.7),
        ("distance_mm", at_ms, 1033.0),
        ("rssi_dbm", at_ms, -94.0),
        ("snr_db", at_ms, 10.0),
    }
    state = states(store)[EUI]
    assert replace(state, dedup=b"") == SensorState(
        EUI,
        "west",
        at_ms,
        name="bin 0001",
        profile="EM400-MUD",
        session="00189440",
        fcnt=12,
        received=1,
        battery_pct=92.0,
        rssi_dbm=-94.0,
        snr_db=10.0,
        sf=7,
        gateways=2,
        reading=b'{"battery_pct":92.0,"temperature_c":25.7,"distance_mm":1033.0}',
    )
    assert (counts["messages_stored"], counts["measurements"]) == (1, 5)
    assert store.read(tally.read) == {"measurements": 5, "messages_received": 1, "messages_stored": 1}


def test_repeats_are_counted_and_gaps_are_a_number_across_a_restart(store: Store, intake: Intake) -> None:
    intake.keep([uplink(n) for n in (10, 11, 14)], NOW_MS)
    fresh = Intake(store, decoders({}, {}))
    fresh.keep([uplink(n) for n in (14, 11, 12, 16)], NOW_MS)
    state = states(store)[EUI]
    assert (state.received, state.duplicates, state.gaps, state.fcnt) == (5, 2, 2, 16)
    assert store.read(tally.read)["messages_duplicate"] == 2


def test_a_late_uplink_fills_the_series_and_not_the_latest_state(store: Store, intake: Intake) -> None:
    late, newer = uplink(5, object={"fill_pct": 40}), uplink(6, object={"fill_pct": 41})
    intake.keep([newer, late], NOW_MS)
    assert [value for _, what, _, value in tail(store) if what == "fill_pct"] == [41.0, 40.0]
    assert json.loads(states(store)[EUI].reading) == {"fill_pct": 41.0}
    assert states(store)[EUI].fcnt == 6


def test_events_are_kept_once_and_a_join_starts_a_session(store: Store, intake: Intake) -> None:
    join = message(topic("join"), event(devAddr="02", time="2026-11-23T13:00:00Z"))
    status = message(topic("status"), event(margin=7, batteryLevel=60, time="2026-11-23T13:00:01Z"))
    log = message(
        topic("log"), event(level="ERROR", code="UPLINK_CODEC", description="no", time="2026-11-23T13:00:02Z")
    )
    intake.keep([uplink(500), join, status, log, join, uplink(3, at_s=5000, addr="02"), uplink(499)], NOW_MS)
    state = states(store)[EUI]
    assert (state.session, state.gaps, state.received, state.fcnt) == ("02", 3, 3, 3)
    assert (state.margin_db, state.last_log) == (7.0, "ERROR UPLINK_CODEC: no")
    rows: list[DeviceEventRow] = store.read(lambda cx: sensing.device_events(cx, EUI, 10))
    assert [row.kind for row in rows] == ["log", "status", "join"]


def test_a_log_about_a_device_never_heard_makes_no_sensor(store: Store, intake: Intake) -> None:
    intake.keep([message(topic("log"), event(code="OTAA", description="DevNonce used"))], NOW_MS)
    assert states(store) == {}
    assert len(store.read(lambda cx: sensing.device_events(cx, EUI, 10))) == 1


def test_without_a_counter_time_and_content_tell_a_repeat(store: Store, intake: Intake) -> None:
    first = message("rain/st1", {"t": NOW_MS, "r": 1.0}, "rain")
    counts = intake.keep([first, first, message("rain/st1", {"t": NOW_MS + 1, "r": 1.0}, "rain")], NOW_MS)
    assert (counts["messages_stored"], counts["messages_duplicate"]) == (2, 1)
    again = Intake(store, decoders({"rain": MAPPING}, {})).keep([structs.replace(first, dup=True)], NOW_MS)
    assert again["messages_duplicate"] == 1


def test_without_a_time_only_the_brokers_word_makes_an_equal_payload_a_repeat(store: Store, intake: Intake) -> None:
    one = message("door/d1", {"n": 1}, "bare")
    counts = intake.keep([one, one, structs.replace(one, dup=True), structs.replace(one, retained=True)], NOW_MS)
    assert (counts["messages_stored"], counts["messages_duplicate"]) == (2, 2)
    lost_before = message("door/d1", {"n": 2}, "bare", dup=True)
    assert intake.keep([lost_before], NOW_MS)["messages_stored"] == 1


def test_the_ring_of_keys_forgets_the_oldest_only(store: Store) -> None:
    many = [message("rain/st1", {"t": NOW_MS - n, "r": 1.0}, "rain") for n in range(4100)]
    Intake(store, decoders({"rain": MAPPING}, {})).keep(many, NOW_MS)
    fresh = Intake(store, decoders({"rain": MAPPING}, {}))
    assert fresh.keep(many[4:], NOW_MS)["messages_duplicate"] == 4096
    assert fresh.keep(many[:4], NOW_MS)["messages_stored"] == 4


def test_bad_messages_do_not_disturb_the_good_ones_of_their_batch(store: Store, intake: Intake) -> None:
    bad = [
        message(topic("up"), b"\xff\xfe"),
        message(topic("up"), b"[" * 100_000),
        message(topic("up"), b"x" * 1_048_576),
        message(topic("up"), up(deviceInfo=device("beef"))),
        message("door/d1", {"n": "one"}, "bare"),
        message("stray", b"1", ""),
    ]
    counts = intake.keep([uplink(1), *bad, uplink(2)], NOW_MS)
    assert (counts["messages_stored"], counts["messages_quarantined"]) == (2, 6)
    kept = store.read(lambda cx: quarantine.newest(cx, 10))
    reasons = [item.reason.partition(":")[0] for item in reversed(kept)]
    assert reasons == ["not_json", "wrong_shape", "too_large", "bad_device", "no_values", "unknown_kind"]
    assert [item.size for item in reversed(kept)][2] == 1_048_576


def test_impossible_values_are_said_and_counted(store: Store, intake: Intake) -> None:
    intake.keep([uplink(1, object={"temperature": 6553.5, "battery": 50})], NOW_MS)
    state = states(store)[EUI]
    assert state.last_log == "REFUSED temperature_c=6553.5"
    assert json.loads(state.reading) == {"battery_pct": 50.0}
    assert store.read(tally.read)["values_refused"] == 1


def test_a_clock_ahead_of_ours_does_not_hide_the_next_readings(store: Store, intake: Intake) -> None:
    ahead = message("rain/st1", {"t": NOW_MS + 3_000_000, "r": 1.0}, "rain")
    intake.keep([ahead, message("rain/st1", {"t": NOW_MS + 5, "r": 2.0}, "rain")], NOW_MS + 10)
    intake.keep([message("rain/st1", {"t": NOW_MS + 15, "r": 3.0}, "rain")], NOW_MS + 20)
    state = states(store)["st1"]
    assert (state.seen_ms, json.loads(state.reading)) == (NOW_MS + 15, {"rain_mm": 3.0})


def test_a_retry_reads_with_todays_configuration(store: Store) -> None:
    item = message("rain/st1", {"t": NOW_MS, "r": 1.0}, "rain")
    Intake(store, decoders({}, {})).keep([item], NOW_MS)
    (kept,) = store.read(lambda cx: quarantine.newest(cx, 1))
    still = Intake(store, decoders({}, {}))
    assert still.retry(kept.quarantine_id, NOW_MS + 5) == "quarantined"
    assert store.read(lambda cx: quarantine.get(cx, kept.quarantine_id)).retried_ms == NOW_MS + 5
    mended = Intake(store, decoders({"rain": MAPPING}, {}))
    assert mended.retry(kept.quarantine_id, NOW_MS + 9) == "stored"
    assert tail(store) == [("st1", "rain_mm", NOW_MS, 1.0)]
    with pytest.raises(StoreRefused):
        mended.retry(kept.quarantine_id, NOW_MS)


def test_a_retry_of_a_message_without_time_takes_the_time_of_receipt(store: Store) -> None:
    Intake(store, decoders({}, {})).keep([message("door/d1", {"n": 4}, "bare")], NOW_MS)
    (kept,) = store.read(lambda cx: quarantine.newest(cx, 1))
    assert Intake(store, decoders({"bare": BARE}, {})).retry(kept.quarantine_id, NOW_MS + 60_000) == "stored"
    assert tail(store) == [("d1", "count_in", NOW_MS, 4.0)]


def test_a_message_of_which_only_a_part_was_kept_cannot_be_retried(store: Store, intake: Intake) -> None:
    intake.keep([message(topic("up"), b"x" * 1_048_576)], NOW_MS)
    (kept,) = store.read(lambda cx: quarantine.newest(cx, 1))
    with pytest.raises(StoreRefused, match="only the first"):
        intake.retry(kept.quarantine_id, NOW_MS)


@dataclass(slots=True)
class Queue:
    """A broker in memory: a message is gone when it was acknowledged, not when it was taken."""

    waiting: list[Message]
    acknowledged: list[Message] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)
    closed: bool = False
    _given: int = 0

    def take(self, limit: int, wait_s: float) -> Sequence[Message]:
        batch = self.waiting[self._given : self._given + limit]
        self._given += len(batch)
        return batch

    def acknowledge(self, messages: Sequence[Message]) -> int:
        self.acknowledged += messages
        if len(self.acknowledged) == len(self.waiting):
            self.done.set()
        return len(messages)

    def state(self) -> QueueState:
        return QueueState("west", connected=True, since_ms=NOW_MS, protocol="5")

    def close(self) -> None:
        self.closed = True


def running(ingest: Ingest, reports: list[dict[str, object]]) -> tuple[threading.Thread, threading.Event]:
    stop = threading.Event()
    thread = threading.Thread(target=ingest.run, args=(stop, lambda detail: reports.append(dict(detail))))
    thread.start()
    return thread, stop


def eventually(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("did not happen in time")


def test_the_service_acknowledges_what_it_stored_and_closes_its_source(store: Store, intake: Intake) -> None:
    queue = Queue([uplink(n) for n in range(1, 1200)])
    reports: list[dict[str, object]] = []
    thread, stop = running(Ingest(intake, lambda: queue, lambda: NOW_MS), reports)
    assert queue.done.wait(WAIT_S)
    stop.set()
    thread.join(WAIT_S)
    assert queue.closed
    assert states(store)[EUI].received == 1199
    assert reports[0]["connected"] is True


def test_a_full_disk_stops_acknowledging_says_so_and_nothing_is_lost(store: Store, intake: Intake) -> None:
    full = threading.Event()
    full.set()

    def guard() -> None:
        if full.is_set():
            raise StoreFull("the disk is full: free some space")

    store.telemetry = Refusing(store.telemetry, guard)  # type: ignore[assignment]
    queue = Queue([uplink(n) for n in range(1, 600)])
    reports: list[dict[str, object]] = []
    thread, stop = running(Ingest(intake, lambda: queue, lambda: NOW_MS), reports)
    eventually(lambda: any("disk is full" in str(report["blocked"]) for report in reports))
    assert queue.acknowledged == []
    full.clear()
    assert queue.done.wait(WAIT_S)
    eventually(lambda: reports[-1]["blocked"] == "")
    stop.set()
    thread.join(WAIT_S)
    assert (states(store)[EUI].received, states(store)[EUI].duplicates) == (599, 0)


@dataclass(slots=True)
class Refusing:
    """A database that writes the rows and then cannot commit them."""

    real: Any
    check: Callable[[], None]

    def write(self, fn: Callable[[Any], Any]) -> Any:
        def then_fail(cx: Any) -> Any:
            result = fn(cx)
            self.check()
            return result

        return self.real.write(then_fail)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def test_two_brokers_that_bring_the_same_device_store_it_once(store: Store, intake: Intake) -> None:
    def from_both() -> Iterable[Queue]:
        for broker in ("west", "east"):
            yield Queue([structs.replace(uplink(n), broker=broker) for n in range(1, 800)])

    queues = list(from_both())
    services = [running(Ingest(intake, lambda q=queue: q, lambda: NOW_MS), []) for queue in queues]  # type: ignore[misc]
    assert all(queue.done.wait(WAIT_S) for queue in queues)
    for thread, stop in services:
        stop.set()
        thread.join(WAIT_S)
    state = states(store)[EUI]
    assert (state.received, state.duplicates, state.gaps) == (799, 799, 0)
    assert sum(1 for _, what, _, _ in tail(store) if what == "distance_mm") == 799
