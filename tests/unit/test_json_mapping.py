"""Plain JSON sensors: a declared mapping reads them, refuses what it cannot, and is itself checked."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.api import Decoded, Reading, Undecodable
from device_drivers.json_mapping import JsonMapping, decoder
from tests.unit.chirpstack_samples import NOW_MS

STATION = {
    "device": "station.id",
    "time": "at",
    "time_format": "iso",
    "counter": "seq",
    "name": "station.name",
    "values": {
        "air_temp_c": {"path": "air.t", "factor": 0.1},
        "wind_m_s": {"path": "wind.0", "factor": 0.2777778},
        "rain_mm": "rain",
    },
}
MESSAGE = {
    "station": {"id": "ws-17", "name": "Nordsternpark"},
    "at": "2026-11-23T21:00:00+01:00",
    "seq": 9,
    "air": {"t": 85},
    "wind": [18],
    "rain": 0.4,
}


def decode(mapping: dict[str, Any], message: object, topic: str = "city/weather/ws-17") -> Decoded:
    return decoder(msgspec.convert(mapping, JsonMapping))(topic, json.dumps(message).encode(), NOW_MS)


def test_a_declared_mapping_reads_its_sensor() -> None:
    reading = decode(STATION, MESSAGE)
    assert isinstance(reading, Reading)
    assert (reading.device, reading.name, reading.at_ms, reading.counter) == ("ws-17", "Nordsternpark", NOW_MS, 9)
    assert reading.values == pytest.approx({"air_temp_c": 8.5, "wind_m_s": 5.0, "rain_mm": 0.4})


def test_the_topic_can_name_the_device_and_receipt_be_the_time() -> None:
    mapping = {"device_level": 3, "values": {"count_in": "in"}}
    assert decode(mapping, {"in": True}) == Reading("ws-17", NOW_MS, {"count_in": 1.0}, timed=False)


@pytest.mark.parametrize(
    ("form", "raw", "at_ms"),
    [
        ("ms", NOW_MS - 5, NOW_MS - 5),
        ("s", NOW_MS / 1000 - 0.25, NOW_MS - 250),
        ("iso", "2026-11-23T19:59:59.123456789Z", NOW_MS - 877),
        ("iso", "2026-11-23T20:00:00", None),
        ("iso", "yesterday", None),
        ("iso", 5, None),
        ("s", "1795464000", None),
        ("ms", True, None),
        ("ms", 10**40, None),
        ("ms", None, None),
    ],
)
def test_times(form: str, raw: object, at_ms: int | None) -> None:
    mapping = {"device_level": 1, "time": "t", "time_format": form, "values": {"x": "x"}}
    decoded = decode(mapping, {"t": raw, "x": 1})
    if at_ms is None:
        assert isinstance(decoded, Undecodable)
        assert decoded.reason == "bad_time"
    else:
        assert isinstance(decoded, Reading)
        assert decoded.at_ms == at_ms


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"station": {"id": "a b"}}, "bad_device"),
        ({"station": {"id": "x" * 65}}, "bad_device"),
        ({"station": None}, "bad_device"),
        ({"station": {"id": ["ws"]}}, "bad_device"),
        ({"seq": -1}, "bad_counter"),
        ({"seq": 1.5}, "bad_counter"),
        ({"seq": 2**70}, "bad_counter"),
        ({"at": "2026-11-25T20:00:00Z"}, "time_in_future"),
        ({"at": "2024-11-25T20:00:00Z"}, "time_too_old"),
        ({"air": 5, "wind": [], "rain": None}, "no_values"),
        ({"air": {"t": "85"}, "wind": [{}], "rain": -1}, "no_values"),
    ],
)
def test_what_cannot_be_understood_has_a_reason(change: dict[str, Any], reason: str) -> None:
    refused = decode(STATION, {**MESSAGE, **change})
    assert isinstance(refused, Undecodable)
    assert refused.reason == reason


def test_a_nested_monster_in_place_of_a_value_is_only_named() -> None:
    deep = b'{"a":' * 800 + b"1" + b"}" * 800
    mapping = msgspec.convert({"device_level": 1, "values": {"rain_mm": "rain"}}, JsonMapping)
    refused = decoder(mapping)("ws", b'{"rain":' + deep + b"}", NOW_MS)
    assert refused == Undecodable("no_values", "rain_mm=dict")


@pytest.mark.parametrize("form", ["ms", "s"])
@pytest.mark.parametrize("raw", [1e308, -1e308, 10**400, -(10**400), 10**19, True, None])
def test_a_time_beyond_all_time_is_no_reading(form: str, raw: object) -> None:
    found = decode({**STATION, "time_format": form}, {**MESSAGE, "at": raw})
    assert isinstance(found, Undecodable)


@given(st.binary(max_size=200))
def test_no_bytes_raise(payload: bytes) -> None:
    assert decoder(msgspec.convert(STATION, JsonMapping))("a", payload, NOW_MS) is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"values": {}}, "names no quantity"),
        ({"values": {"Temp °C": "t"}}, "lower case"),
        ({"values": {"t_c": {"path": "t", "faktor": 2}}}, "faktor"),
        ({"device": None}, "either `device`"),
        ({"device_level": 2}, "either `device`"),
        ({"device": None, "device_level": 0}, "from 1"),
        ({"time_format": "unix"}, "unix"),
        ({"counter": None, "session": "boot"}, "needs a `counter`"),
        ({"time": None}, "`time` or a `session`"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_mapping_is_refused_in_words(change: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert({**STATION, **change}, JsonMapping)
