"""Reads plain JSON sensors by a declared mapping, and the decoded `object` of a LoRaWAN server. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from device_drivers.api import Decode, Decoded, Reading, Undecodable
from device_drivers.quantities import clean, number, possible

LARGEST_PAYLOAD = 256 * 1024
FUTURE_MS = 3_600_000
PAST_MS = 400 * 86_400_000
LARGEST_COUNTER = 2**63 - 1

Path = str | tuple[str | int, ...]
TimeFormat = Literal["ms", "s", "iso"]
Values = tuple[dict[str, float], tuple[str, ...]]
"""Quantities that can be stored, and the refused ones as `quantity=value`."""

_QUANTITY = re.compile(r"[a-z][a-z0-9_]{0,47}")
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_MISSING = object()
_JSON = msgspec.json.Decoder()


class ValueSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a quantity stands and how it becomes its unit: `raw * factor + offset`."""

    path: Path
    factor: float = 1.0
    offset: float = 0.0


Sources = dict[str, ValueSource | Path]


class ObjectFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[profile."NAME"]`: quantities of one device profile, read from the decoded object of its uplinks."""

    values: Sources

    def __post_init__(self) -> None:
        _check(self.values)


class JsonMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[mapping.NAME]`: one kind of plain JSON message.

    The device id stands at `device`, or in the topic at `device_level` (1 = first level). Without `time` the
    time of receipt counts. A path is `a.b.0.c`, or a list of keys when a key holds a dot itself.
    """

    values: Sources
    device: Path | None = None
    device_level: int | None = None
    time: Path | None = None
    time_format: TimeFormat = "ms"
    counter: Path | None = None
    session: Path | None = None
    name: Path | None = None

    def __post_init__(self) -> None:
        _check(self.values)
        if (self.device is None) == (self.device_level is None):
            raise ValueError("give either `device` (a path) or `device_level` (a level of the topic), not both")
        if self.device_level is not None and self.device_level < 1:
            raise ValueError("`device_level` counts the levels of the topic from 1")
        if self.session is not None and self.counter is None:
            raise ValueError("`session` needs a `counter`: it says when the counter starts again")
        if self.counter is not None and self.time is None and self.session is None:
            # Everything after a restart would look like a repeat until the counter has caught up.
            raise ValueError("`counter` needs a `time` or a `session`: they tell a restarted sensor from a repeat")


def _check(values: Sources) -> None:
    if not values:
        raise ValueError("`values` names no quantity")
    for quantity in values:
        if not _QUANTITY.fullmatch(quantity):
            raise ValueError(f"quantity {quantity!r}: use lower case letters, digits and '_', such as 'fill_pct'")


def _steps(path: Path) -> tuple[str | int, ...]:
    if isinstance(path, tuple):
        return path
    return tuple(int(step) if step.isdecimal() and len(step) < 10 else step for step in path.split("."))


def _find(value: Any, steps: tuple[str | int, ...]) -> Any:
    for step in steps:
        if isinstance(value, dict):
            value = value.get(str(step), _MISSING)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return _MISSING
    return value


def sources(values: Sources) -> Callable[[Any], Values]:
    """Prepare a declared table: what it returns reads these quantities from one decoded object."""
    plan = [
        (quantity, _steps(source.path), source.factor, source.offset)
        if isinstance(source, ValueSource)
        else (quantity, _steps(source), 1.0, 0.0)
        for quantity, source in values.items()
    ]

    def read(decoded: Any) -> Values:
        found: dict[str, float] = {}
        refused: list[str] = []
        for quantity, steps, factor, offset in plan:
            raw = _find(decoded, steps)
            if raw is not _MISSING and raw is not None:
                plain = number(raw)
                keep(quantity, raw, None if plain is None else plain * factor + offset, found, refused)
        return found, tuple(refused)

    return read


def keep(quantity: str, raw: object, value: float | None, found: dict[str, float], refused: list[str]) -> None:
    """Put one value where it belongs: among the found, or with what the device sent among the refused."""
    if value is not None and possible(quantity, value):
        found[quantity] = value
    else:
        refused.append(f"{quantity}={_shown(raw)}")


def _shown(raw: object) -> str:
    """A refused value in few letters; what is nested is only named, as showing it may be as deep as it is."""
    if isinstance(raw, str):
        return clean(repr(raw[:40]), 40)
    if isinstance(raw, bool | float) or (isinstance(raw, int) and abs(raw) < 2**64):
        return str(raw)
    return type(raw).__name__


LATEST: Final = 1e18
"""Beyond any time in seconds or ms; a device may send numbers that are no finite count of ms."""


def instant(raw: object, form: TimeFormat) -> int | None:
    """A time of the wire as ms UTC; None when it is none, or a text without its zone."""
    if form == "iso":
        return _from_iso(raw) if isinstance(raw, str) else None
    plain = number(raw)
    if plain is None or isinstance(raw, bool) or abs(plain) > LATEST:
        return None
    return int(plain) if form == "ms" else round(plain * 1000)


def _from_iso(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else milliseconds(moment)


def milliseconds(moment: datetime) -> int:
    """An aware datetime as integer ms UTC, exactly."""
    return (moment - _EPOCH) // _MS


def untimely(at_ms: int, now_ms: int) -> Undecodable | None:
    """The objection to a time no message can have; a wrong clock here shows the same way, and a retry mends it."""
    if at_ms > now_ms + FUTURE_MS:
        return Undecodable("time_in_future", f"{(at_ms - now_ms) // 1000} s ahead of this computer's clock")
    if at_ms < now_ms - PAST_MS:
        return Undecodable("time_too_old", f"{(now_ms - at_ms) // 86_400_000} days ago")
    return None


def malformed(error: Exception) -> Undecodable:
    """The reason behind an exception of the JSON decoder."""
    if isinstance(error, UnicodeDecodeError):
        return Undecodable("not_utf8", f"byte 0x{error.object[error.start]:02x} is no UTF-8")
    if isinstance(error, RecursionError):
        return Undecodable("too_deep", "the JSON is nested beyond any sensor's need")
    shape = isinstance(error, msgspec.ValidationError)
    return Undecodable("wrong_shape" if shape else "not_json", clean(str(error), 200))


def too_large(payload: bytes) -> Undecodable | None:
    """The objection to a payload nobody should parse."""
    if len(payload) <= LARGEST_PAYLOAD:
        return None
    return Undecodable("too_large", f"{len(payload)} bytes, at most {LARGEST_PAYLOAD} are read")


def decoder(mapping: JsonMapping) -> Decode:
    """Prepare one mapping; what it returns decodes one message and never raises on its content."""
    read_values = sources(mapping.values)
    times = None if mapping.time is None else _steps(mapping.time)

    def decode(topic: str, payload: bytes, now_ms: int) -> Decoded:
        large = too_large(payload)
        if large is not None:
            return large
        try:
            message = _JSON.decode(payload)
        except (ValueError, RecursionError) as error:
            return malformed(error)
        if not isinstance(message, dict):
            return Undecodable("wrong_shape", f"expected an object, got {type(message).__name__}")
        at_ms = now_ms if times is None else instant(_find(message, times), mapping.time_format)
        if at_ms is None:
            return Undecodable("bad_time", f"expected a time as {mapping.time_format} at {mapping.time}")
        return untimely(at_ms, now_ms) or _reading(mapping, topic, message, at_ms, read_values(message))

    return decode


def _reading(mapping: JsonMapping, topic: str, message: Mapping[str, Any], at_ms: int, values: Values) -> Decoded:
    device = _device(mapping, topic, message)
    if device is None:
        return Undecodable("bad_device", "expected 1 to 64 letters, digits or . _ : - as the device id")
    counter = None
    if mapping.counter is not None:
        counter = _counter(_find(message, _steps(mapping.counter)))
        if counter is None:
            return Undecodable("bad_counter", f"expected a whole number from 0 at {mapping.counter}")
    found, refused = values
    if not found:
        return Undecodable("no_values", clean(", ".join(refused), 200) or "none of the declared values is there")
    return Reading(
        device,
        at_ms,
        found,
        name=_text(message, mapping.name),
        session=_text(message, mapping.session),
        counter=counter,
        timed=mapping.time is not None,
        refused=refused,
    )


def _device(mapping: JsonMapping, topic: str, message: Mapping[str, Any]) -> str | None:
    if mapping.device is not None:
        raw = _find(message, _steps(mapping.device))
    else:
        raw = _find(topic.split("/"), ((mapping.device_level or 1) - 1,))
    text = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw
    return text if isinstance(text, str) and _DEVICE.fullmatch(text) else None


def _counter(raw: object) -> int | None:
    whole = isinstance(raw, int) and not isinstance(raw, bool)
    return raw if isinstance(raw, int) and whole and 0 <= raw <= LARGEST_COUNTER else None


def _text(message: Mapping[str, Any], path: Path | None) -> str:
    raw = _MISSING if path is None else _find(message, _steps(path))
    return clean(str(raw)[:200]) if isinstance(raw, str | int) else ""
