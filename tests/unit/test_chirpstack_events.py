"""ChirpStack events: what a good one says, and that no bad one gets further than quarantine."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.api import Decoded, DeviceEvent, Reading, Undecodable
from device_drivers.chirpstack_events import decoder
from device_drivers.json_mapping import ObjectFields
from tests.unit.chirpstack_samples import EUI, NOW_MS, device, encoded, event, topic, up

decode = decoder({})


def seen(kind: str, body: dict[str, Any]) -> Decoded:
    return decode(topic(kind), encoded(body), NOW_MS)


def test_an_uplink_becomes_a_reading() -> None:
    assert seen("up", up(12)) == Reading(
        EUI,
        NOW_MS - 1857,
        {"battery_pct": 92.0, "temperature_c": 25.7, "distance_mm": 1033.0},
        name="bin 0001",
        profile="EM400-MUD",
        session="00189440",
        counter=12,
        rssi_dbm=-94.0,
        snr_db=10.0,
        sf=7,
        gateways=2,
        heard_by=("0016c001f153a14c", "0016c001f153a14d"),
    )


def test_what_is_left_out_on_the_wire_has_its_default() -> None:
    bare = seen("up", {"time": "2026-11-23T20:00:00Z", "deviceInfo": {"devEui": EUI.upper()}})
    assert bare == Reading(EUI, NOW_MS, {}, counter=0)


def test_the_best_gateway_gives_the_signal() -> None:
    reading = seen("up", up(rxInfo=[{"gatewayId": "a", "rssi": -120}, {"gatewayId": "b", "rssi": -90, "snr": -3}]))
    assert isinstance(reading, Reading)
    assert (reading.rssi_dbm, reading.snr_db, reading.gateways) == (-120.0, 0.0, 2)


def test_a_declared_profile_decides_alone() -> None:
    fields = msgspec.convert(
        {"values": {"water_m": {"path": "level.value", "factor": 0.01, "offset": -1}, "ph": ["a.b", 1]}}, ObjectFields
    )
    body = up(object={"level": {"value": 250}, "a.b": [6.5, 7.25], "temperature": 9}, deviceInfo=device(profile="LD"))
    reading = decoder({"LD": fields})(topic("up"), encoded(body), NOW_MS)
    assert isinstance(reading, Reading)
    assert reading.values == {"water_m": 1.5, "ph": 7.25}


@pytest.mark.parametrize(
    ("decoded", "values"),
    [
        ({"levelPercentage": 40, "batteryVoltage": 3.6}, {"fill_pct": 40, "battery_v": 3.6}),
        ({"pm2.5": 7, "no2": 24, "o3": 61}, {"pm2_5_ug_m3": 7, "no2_ug_m3": 24, "o3_ug_m3": 61}),
        ({"temperature": 8.5, "humidity": 80}, {"air_temp_c": 8.5, "humidity_pct": 80}),
        ({"air_temperature": {"value": 3.5, "unit": "°C"}}, {"air_temp_c": 3.5}),
        ({"fill_pct": 55, "tilt": True, "position": "tilt", "unknown": 3}, {"fill_pct": 55}),
    ],
)
def test_usual_names_are_understood(decoded: dict[str, Any], values: dict[str, float]) -> None:
    reading = seen("up", up(object=decoded))
    assert isinstance(reading, Reading)
    assert reading.values == values
    assert reading.refused == ()


def test_impossible_values_are_named_and_the_others_kept() -> None:
    reading = seen("up", up(object={"temperature": 6553.5, "battery": "full", "distance": 10**30, "humidity": 50}))
    assert isinstance(reading, Reading)
    assert reading.values == {"humidity_pct": 50.0}
    assert reading.refused == ("temperature_c=6553.5", "battery_pct='full'", "distance_mm=int")


def test_other_events() -> None:
    joined = seen("join", event(devAddr="01020304"))
    assert joined == DeviceEvent(
        EUI,
        NOW_MS - 1857,
        "join",
        '{"dev_addr":"01020304"}',
        "bin 0001",
        "EM400-MUD",
        session="01020304",
    )
    status = seen("status", event(margin=-3, batteryLevel=75.5))
    assert isinstance(status, DeviceEvent)
    assert (status.battery_pct, status.margin_db) == (75.5, -3.0)
    powered = seen("status", event(externalPowerSource=True))
    assert isinstance(powered, DeviceEvent)
    assert powered.battery_pct is None
    log = seen("log", event(level="ERROR", code="UPLINK_CODEC", description="bad\n\x1b[2Jvalue"))
    assert isinstance(log, DeviceEvent)
    assert log.text == "ERROR UPLINK_CODEC: bad··[2Jvalue"
    for kind in ("ack", "txack", "location"):
        other = seen(kind, event(location={"latitude": 51.5}, queueItemId="q", acknowledged=True))
        assert isinstance(other, DeviceEvent)
        assert other.kind == kind
        assert json.loads(other.body)


DEEP = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
GOOD = encoded(up())
HOSTILE = {
    "one megabyte": (b'{"object":"' + b"x" * 1_048_576 + b'"}', "too_large"),
    "deep": (GOOD.replace(b'"position"', b'"deep": ' + DEEP[:200_000] + b', "position"'), "too_deep"),
    "empty": (b"", "not_json"),
    "cut off": (GOOD[:-20], "not_json"),
    "not a number": (GOOD.replace(b"25.7", b"NaN"), "not_json"),
    "infinity": (GOOD.replace(b"25.7", b"Infinity"), "not_json"),
    "beyond a double": (GOOD.replace(b"25.7", b"1e999"), "wrong_shape"),
    "number of 5000 digits": (GOOD.replace(b"25.7", b"9" * 5000), "wrong_shape"),
    "no UTF-8": (GOOD.replace(b"bin 0001", b"bin \xff\xfe"), "not_utf8"),
    "array": (b"[" + GOOD + b"]", "wrong_shape"),
    "null": (b"null", "wrong_shape"),
    "no device": (encoded({"time": "2026-11-23T20:00:00Z"}), "wrong_shape"),
    "device is text": (encoded(up(deviceInfo=EUI)), "wrong_shape"),
    "gateways are an object": (encoded(up(rxInfo={})), "wrong_shape"),
    "object is a list": (encoded(up(object=[1])), "wrong_shape"),
    "counter below zero": (encoded(up(-1)), "wrong_shape"),
    "counter of 33 bits": (encoded(up(2**32)), "wrong_shape"),
    "counter as text": (encoded(up(fCnt="7")), "wrong_shape"),
    "EUI of 15 digits": (encoded(up(deviceInfo=device(EUI[1:]))), "bad_device"),
    "EUI with a line end": (encoded(up(deviceInfo=device(EUI + "\n"))), "bad_device"),
    "another device's EUI": (encoded(up(deviceInfo=device("00" * 8))), "other_device"),
    "time without zone": (encoded(up(time="2026-11-23T20:00:00")), "wrong_shape"),
    "no time": (encoded({"deviceInfo": device()}), "wrong_shape"),
    "far future": (encoded(up(time="9999-12-31T23:59:59Z")), "time_in_future"),
    "far past": (encoded(up(time="0001-01-01T00:00:00Z")), "time_too_old"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_payloads_end_with_a_reason(name: str) -> None:
    payload, reason = HOSTILE[name]
    refused = decode(topic("up"), payload, NOW_MS)
    assert isinstance(refused, Undecodable)
    assert refused.reason == reason
    assert refused.detail.isprintable()
    assert 0 < len(refused.detail) <= 200


def test_an_unknown_event_is_named() -> None:
    assert decode(topic("integration"), GOOD, NOW_MS) == Undecodable(
        "unknown_event", "no event is called 'integration'"
    )


@given(st.binary(max_size=300), st.sampled_from(["up", "join", "log", "status", "x"]))
def test_no_bytes_raise(payload: bytes, kind: str) -> None:
    assert isinstance(decode(topic(kind), payload, NOW_MS), Undecodable)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(sorted(up())), JSON)
def test_no_wrong_type_raises(key: str, value: object) -> None:
    assert decode(topic("up"), encoded(up(**{key: value})), NOW_MS) is not None


@given(st.dictionaries(st.sampled_from(["temperature", "humidity", "fill_level", "pm2.5", "tilt"]), JSON))
def test_only_possible_numbers_come_out_of_an_object(decoded: dict[str, Any]) -> None:
    reading = seen("up", up(object=decoded))
    assert isinstance(reading, Reading)
    assert all(-1000 < value < 100_000 for value in reading.values.values())
