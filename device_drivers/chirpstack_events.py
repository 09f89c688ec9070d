"""Events of a ChirpStack v4 server as facts about devices (api/proto/integration/integration.proto, JSON). No I/O.

Fields at their default are left out on the wire, times have nanoseconds, 64-bit numbers come as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import msgspec

from device_drivers.api import Decode, Decoded, DeviceEvent, Reading, Undecodable
from device_drivers.json_mapping import ObjectFields, Values, malformed, milliseconds, sources, too_large, untimely
from device_drivers.mqtt_topics import REMEMBERED_TOPICS
from device_drivers.object_names import by_name
from device_drivers.quantities import clean, within

_EUI = re.compile(r"[0-9A-Fa-f]{16}")
LONGEST_LOG = 300
REMEMBERED_GATEWAYS = 8192
Counter = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class _Wire(msgspec.Struct, rename="camel", gc=False):
    """Named as on the wire, in camel case."""


class _Device(_Wire):
    dev_eui: str
    device_name: str = ""
    device_profile_name: str = ""


class _Rx(_Wire):
    gateway_id: str = ""
    rssi: int = 0
    snr: float = 0.0


class _Lora(_Wire):
    spreading_factor: int = 0


class _Modulation(_Wire):
    lora: _Lora | None = None


class _Tx(_Wire):
    modulation: _Modulation | None = None


class _Event(_Wire):
    device_info: _Device
    time: Moment


class _Up(_Event):
    dev_addr: str = ""
    f_cnt: Counter = 0
    object: dict[str, Any] | None = None
    rx_info: list[_Rx] = []
    tx_info: _Tx | None = None


class _Join(_Event):
    dev_addr: str = ""


class _Status(_Event):
    margin: int = 0
    external_power_source: bool = False
    battery_level_unavailable: bool = False
    battery_level: float = 0.0


class _Ack(_Event):
    queue_item_id: str = ""
    acknowledged: bool = False
    f_cnt_down: Counter = 0


class _TxAck(_Event):
    queue_item_id: str = ""
    gateway_id: str = ""
    f_cnt_down: Counter = 0


class _Log(_Event):
    level: str = "INFO"
    code: str = ""
    description: str = ""


class _Place(_Wire):
    latitude: float = 0.0
    longitude: float = 0.0
    altitude: float = 0.0
    source: str = ""


class _Location(_Event):
    location: _Place


def _join(event: _Join) -> dict[str, Any]:
    return {"body": _json(dev_addr=clean(event.dev_addr)), "session": clean(event.dev_addr, 16)}


def _status(event: _Status) -> dict[str, Any]:
    """LoRaWAN DevStatusAns: a battery level is sent only when there is one (battery.rs of ChirpStack)."""
    powered = event.external_power_source or event.battery_level_unavailable
    battery = None if powered else within("battery_pct", event.battery_level)
    margin = within("margin_db", event.margin)
    body = _json(margin_db=margin, battery_pct=battery, external_power=event.external_power_source)
    return {"body": body, "battery_pct": battery, "margin_db": margin}


def _ack(event: _Ack) -> dict[str, Any]:
    item = clean(event.queue_item_id)
    return {"body": _json(acknowledged=event.acknowledged, item=item, counter=event.f_cnt_down)}


def _txack(event: _TxAck) -> dict[str, Any]:
    item, gateway = clean(event.queue_item_id), clean(event.gateway_id)
    return {"body": _json(gateway=gateway, item=item, counter=event.f_cnt_down)}


def _log(event: _Log) -> dict[str, Any]:
    level, code, text = clean(event.level, 16), clean(event.code, 40), clean(event.description, LONGEST_LOG)
    return {"body": _json(level=level, code=code, description=text), "text": f"{level} {code}: {text}"}


def _location(event: _Location) -> dict[str, Any]:
    place = event.location
    body = _json(lat=place.latitude, lon=place.longitude, alt_m=place.altitude, source=clean(place.source, 40))
    return {"body": body}


def _json(**fields: object) -> str:
    return msgspec.json.encode(fields).decode()


E = TypeVar("E", bound=_Event)
_Read = Callable[[bytes], tuple[_Event, dict[str, Any]]]


def _reader(shape: type[E], facts: Callable[[E], dict[str, Any]]) -> _Read:
    parse = msgspec.json.Decoder(shape).decode

    def read(payload: bytes) -> tuple[_Event, dict[str, Any]]:
        event = parse(payload)
        return event, facts(event)

    return read


_OTHERS: Mapping[Any, _Read] = {
    "join": _reader(_Join, _join),
    "status": _reader(_Status, _status),
    "ack": _reader(_Ack, _ack),
    "txack": _reader(_TxAck, _txack),
    "log": _reader(_Log, _log),
    "location": _reader(_Location, _location),
}
_parse_up = msgspec.json.Decoder(_Up).decode


def decoder(profiles: Mapping[str, ObjectFields]) -> Decode:
    """Prepare the declared device profiles; what it returns decodes one event and never raises on its content."""
    declared = {name: sources(fields.values) for name, fields in profiles.items()}

    def decode(topic: str, payload: bytes, now_ms: int) -> Decoded:
        large = too_large(payload)
        if large is not None:
            return large
        kind, named = _parts(topic)
        try:
            if kind == "up":
                up = _parse_up(payload)
                at_ms = milliseconds(up.time)
                read = declared.get(up.device_info.device_profile_name, by_name)
                return _objection(named, up, at_ms, now_ms) or _reading(up, at_ms, read)
            others = _OTHERS.get(kind)
            if others is None:
                return Undecodable("unknown_event", clean(f"no event is called {kind!r}", 80))
            event, facts = others(payload)
        except (ValueError, RecursionError) as error:
            return malformed(error)
        at_ms = milliseconds(event.time)
        return _objection(named, event, at_ms, now_ms) or _device_event(kind, event, at_ms, facts)

    return decode


@lru_cache(maxsize=REMEMBERED_TOPICS)
def _parts(topic: str) -> tuple[str, str]:
    """The kind of event and the EUI a topic names, '' where a server was told to leave it out of its topics."""
    levels = topic.split("/")
    return levels[-1], levels[-3] if len(levels) > 3 and levels[-4] == "device" else ""


def _objection(named: str, event: _Event, at_ms: int, now_ms: int) -> Undecodable | None:
    """What makes an event of the right shape unbelievable: its device or its time."""
    eui = event.device_info.dev_eui
    if not _EUI.fullmatch(eui):
        return Undecodable("bad_device", clean(f"{eui!r} is no EUI of 16 hexadecimal digits", 80))
    # Brokers grant rights by topic: an event may only speak for the device its topic names.
    if named not in ("", eui) and named.lower() != eui.lower():
        return Undecodable("other_device", clean(f"the topic names {named}, the payload {eui}", 120))
    return untimely(at_ms, now_ms)


def _best(receptions: list[_Rx]) -> _Rx | None:
    best = receptions[0] if receptions else None
    for other in receptions:
        if best is not None and (other.snr, other.rssi) > (best.snr, best.rssi):
            best = other
    return best


def _reading(up: _Up, at_ms: int, read: Callable[[dict[str, Any]], Values]) -> Reading:
    device = up.device_info
    found, refused = read(up.object) if up.object else ({}, ())
    best = _best(up.rx_info)
    lora = up.tx_info.modulation.lora if up.tx_info is not None and up.tx_info.modulation is not None else None
    return Reading(
        device.dev_eui.lower(),
        at_ms,
        found,
        clean(device.device_name),
        clean(device.device_profile_name),
        clean(up.dev_addr, 16),
        up.f_cnt,
        rssi_dbm=None if best is None else within("rssi_dbm", best.rssi),
        snr_db=None if best is None else within("snr_db", best.snr),
        sf=None if lora is None or not 5 <= lora.spreading_factor <= 12 else lora.spreading_factor,
        gateways=len({rx.gateway_id for rx in up.rx_info}) or None,
        refused=refused,
        heard_by=_heard_by(tuple([rx.gateway_id for rx in up.rx_info])),
    )


@lru_cache(maxsize=REMEMBERED_GATEWAYS)
def _heard_by(gateways: tuple[str, ...]) -> tuple[str, ...]:
    """EUIs of the gateways, each once, in the order of their receptions; a sensor is heard by the same few again."""
    return tuple(dict.fromkeys(one.lower() for one in gateways if _EUI.fullmatch(one)))


def _device_event(kind: Any, event: _Event, at_ms: int, facts: Mapping[str, Any]) -> DeviceEvent:
    device = event.device_info
    return DeviceEvent(
        device.dev_eui.lower(),
        at_ms,
        kind,
        name=clean(device.device_name),
        profile=clean(device.device_profile_name),
        **facts,
    )
