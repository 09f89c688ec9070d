"""What an import would do, before it does it: rows checked one by one, each rejected one with line and reason. Pure.

Reasons are codes with facts; the words are made in the console. Applying is the caller's, in one transaction.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Generic, Literal, TypeVar

from local_store.records import Node, Sensor

T = TypeVar("T")
Reason = Literal[
    "missing", "bad_id", "bad_address", "bad_port", "bad_number", "bad_role", "bad_kind", "duplicate",
    "eui_damaged", "not_a_table", "no_rows", "unknown_uplink", "bad_quote", "not_whole", "serial_damaged",
    "half_place",
]  # fmt: skip

ROLES: Final = ("gateway", "uplink", "mesh", "hotspot", "lorawan_gateway", "other")
KINDS: Final = ("bin", "climate", "passenger", "movement", "other")
SYSTEM_OF: Final = {"bin": "gesaeubert", "climate": "gegruent", "passenger": "gebewegt", "movement": "gesichert"}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}")
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9\-]{1,63})*\.?")
_EXCEL = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE]\+[0-9]+|[0-9]+[.,][0-9]+[eE][0-9]+")
_DIGITS_LOST = re.compile(r"[0-9]{10,15}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,3})?")
_PORT = re.compile(r"[0-9]{1,5}")
_HEX16 = re.compile(r"[0-9A-Fa-f]{16}")
_NODE_FIELDS: Final = tuple(field.name for field in fields(Node))
_SENSOR_FIELDS: Final = tuple(field.name for field in fields(Sensor))


@dataclass(frozen=True, slots=True)
class Rejected:
    """One row that cannot be taken: where it stands, what is wrong, and the value as it was given."""

    line: int
    reason: Reason
    field: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A known entry that the import changes: field -> (before, after)."""

    entity_id: str
    fields: Mapping[str, tuple[object, object]]


@dataclass(frozen=True, slots=True)
class Plan(Generic[T]):
    """What an import would do to nodes or sensors."""

    new: tuple[T, ...] = ()
    changed: tuple[tuple[T, Change], ...] = ()
    unchanged: int = 0
    rejected: tuple[Rejected, ...] = ()

    def rows(self) -> list[T]:
        """Everything to write."""
        return [*self.new, *(entry for entry, _ in self.changed)]


Row = tuple[int, Mapping[str, str]]
"""A line number and the fields that the file gives a value for, by our names."""


class RowError(Exception):
    """A row is rejected; carries the Rejected without its line."""

    def __init__(self, reason: Reason, field: str = "", value: str = "") -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.field = field
        self.value = value


def plan_nodes(rows: Iterable[Row], known: Mapping[str, Node], rejected: Sequence[Rejected] = ()) -> Plan[Node]:
    """Check every row against the rules and the present inventory. Fields a file does not give stay as they are."""
    found, refused = _check(rows, lambda row: _node(row, known), "node_id")
    _refuse_shared_addresses(found, known, refused)
    while dangling := [one for one in found.values() if one[1].uplink and not _is_there(one[1].uplink, found, known)]:
        for line, node in dangling:
            refused.append(Rejected(line, "unknown_uplink", "uplink", node.uplink))
            del found[node.node_id]
    return _plan({node_id: node for node_id, (_, node) in found.items()}, known, [*rejected, *refused], _NODE_FIELDS)


def _is_there(node_id: str, found: Mapping[str, object], known: Mapping[str, object]) -> bool:
    return node_id in found or node_id in known


def _refuse_shared_addresses(
    found: dict[str, tuple[int, Node]], known: Mapping[str, Node], refused: list[Rejected]
) -> None:
    """One agent answers at one address and port: two nodes there are one of them twice, or a mistyped address.

    Judged by the inventory as it would be afterwards, so that two nodes may swap their addresses in one import.
    """
    holder = {(node.address, node.port): node_id for node_id, node in known.items() if node_id not in found}
    for node_id, (line, node) in list(found.items()):
        other = holder.setdefault((node.address, node.port), node_id)
        if other != node_id and known.get(node_id) != node:
            refused.append(Rejected(line, "duplicate", "address", f"{node.address} {node.port} ({other})"))
            del found[node_id]


def plan_sensors(rows: Iterable[Row], known: Mapping[str, Sensor], rejected: Sequence[Rejected] = ()) -> Plan[Sensor]:
    """The same for sensors."""
    found, refused = _check(rows, lambda row: _sensor(row, known), "sensor_id")
    entries = {sensor_id: sensor for sensor_id, (_, sensor) in found.items()}
    return _plan(entries, known, [*rejected, *refused], _SENSOR_FIELDS)


def _check(
    rows: Iterable[Row], make: Callable[[Mapping[str, str]], T], id_field: str
) -> tuple[dict[str, tuple[int, T]], list[Rejected]]:
    """Entries by id with their lines; the second row of an id is refused, the first one stands."""
    found: dict[str, tuple[int, T]] = {}
    refused: list[Rejected] = []
    for line, row in rows:
        try:
            entry = make(row)
        except RowError as error:
            refused.append(Rejected(line, error.reason, error.field, error.value))
            continue
        entity_id = str(getattr(entry, id_field))
        if entity_id in found:
            refused.append(Rejected(line, "duplicate", id_field, entity_id))
        else:
            found[entity_id] = (line, entry)
    return found, refused


def _plan(entries: Mapping[str, T], known: Mapping[str, T], refused: list[Rejected], names: Sequence[str]) -> Plan[T]:
    new = tuple(entry for entity_id, entry in entries.items() if entity_id not in known)
    changed = tuple(
        (entry, _change(entity_id, known[entity_id], entry, names))
        for entity_id, entry in entries.items()
        if entity_id in known and known[entity_id] != entry
    )
    refused.sort(key=lambda one: one.line)
    return Plan(new, changed, len(entries) - len(new) - len(changed), tuple(refused))


def _change(entity_id: str, before: object, after: object, names: Sequence[str]) -> Change:
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in names}
    return Change(entity_id, {name: pair for name, pair in pairs.items() if pair[0] != pair[1]})


def _node(row: Mapping[str, str], known: Mapping[str, Node]) -> Node:
    node_id = row.get("node_id", "").strip()
    if not node_id:
        raise RowError("missing", "node_id")
    if not _ID.fullmatch(node_id):
        raise RowError("bad_id", "node_id", node_id)
    before = known.get(node_id)
    address = row.get("address", "").strip() or (before.address if before else "")
    if not address:
        raise RowError("missing", "address")
    role = row.get("role", "").strip().lower() or (before.role if before else "other")
    if role not in ROLES:
        raise RowError("bad_role", "role", role)
    base = before or Node(node_id, node_id, address, role)
    texts: dict[str, Any] = {
        name: row[name].strip()
        for name in ("name", "system", "district", "site", "stage", "vendor", "model", "board_name", "serial",
                     "firmware", "profile", "uplink")
        if row.get(name, "").strip()
    }  # fmt: skip
    if _EXCEL.fullmatch(texts.get("serial", "")):
        raise RowError("serial_damaged", "serial", texts["serial"])
    node = replace(base, **texts, address=plain_address(address), role=role)
    if row.get("port", "").strip():
        node = replace(node, port=_port(row["port"].strip()))
    lat, lon = _place(row, base.lat, base.lon)
    return replace(node, attributes=_attributes(base.attributes, row), lat=lat, lon=lon)


def _sensor(row: Mapping[str, str], known: Mapping[str, Sensor]) -> Sensor:
    sensor_id = _sensor_id(row.get("sensor_id", "").strip())
    before = known.get(sensor_id)
    kind = row.get("kind", "").strip().lower() or (before.kind if before else "other")
    if kind not in KINDS:
        raise RowError("bad_kind", "kind", kind)
    base = before or Sensor(sensor_id, sensor_id, kind, SYSTEM_OF.get(kind, "gevernetzt"))
    names = ("name", "system", "district", "site", "model")
    texts: dict[str, Any] = {name: row[name].strip() for name in names if row.get(name, "").strip()}
    sensor = replace(base, **texts, kind=kind)
    interval = row.get("interval_s", "").strip()
    if interval:
        sensor = replace(sensor, interval_s=int(_number(interval, "interval_s", 1, 40 * 86_400)))
    lat, lon = _place(row, base.lat, base.lon)
    return replace(sensor, attributes=_attributes(base.attributes, row), lat=lat, lon=lon)


def _sensor_id(text: str) -> str:
    """A DevEUI in any usual spelling in lower case, or a declared id; what a spreadsheet destroyed is refused."""
    if not text:
        raise RowError("missing", "sensor_id")
    plain = text.replace("-", "").replace(":", "")
    if _HEX16.fullmatch(plain):
        return plain.lower()
    if _EXCEL.fullmatch(text) or _DIGITS_LOST.fullmatch(text):
        raise RowError("eui_damaged", "sensor_id", text)
    if not _ID.fullmatch(text):
        raise RowError("bad_id", "sensor_id", text)
    return text


def plain_address(text: str) -> str:
    """An IP address in its shortest form, or a host name. Raises RowError."""
    bare = text.split("/", 1)[0]
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        if not _HOST.fullmatch(text) or re.fullmatch(r"[\d.]+", text):
            raise RowError("bad_address", "address", text) from None
        return text.lower()


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or not 0 < int(text) < 65_536:
        raise RowError("bad_port", "port", text)
    return int(text)


def _number(text: str, field: str, low: float, high: float) -> float:
    """A number within its range, with a decimal point or, as German spreadsheets write it, a comma."""
    plain = text.replace(",", ".") if "." not in text else text
    if not _NUMBER.fullmatch(plain) or not low <= float(plain) <= high:
        raise RowError("bad_number", field, text)
    return float(plain)


def _place(row: Mapping[str, str], lat: float | None, lon: float | None) -> tuple[float | None, float | None]:
    """Latitude and longitude in degrees; what the row does not give stays, but one alone is no place."""
    texts = row.get("lat", "").strip(), row.get("lon", "").strip()
    found = (
        _number(texts[0], "lat", -90.0, 90.0) if texts[0] else lat,
        _number(texts[1], "lon", -180.0, 180.0) if texts[1] else lon,
    )
    if any(texts) and None in found:
        raise RowError("half_place", *(("lat", texts[1]) if found[0] is None else ("lon", texts[0])))
    return found


def _attributes(before: str, row: Mapping[str, str]) -> str:
    """What the file brings beyond our columns is kept for the next export, under the names it had there."""
    extra = {name[1:]: value for name, value in row.items() if name.startswith("+") and value.strip()}
    if not extra:
        return before
    return json.dumps({**json.loads(before), **extra}, sort_keys=True, ensure_ascii=False)
