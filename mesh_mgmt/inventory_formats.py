"""The shapes an inventory comes and goes in: CSV, NetJSON NetworkGraph, NetBox device exports. Pure text to rows."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, Literal, Protocol

from local_store.records import Node, Sensor
from mesh_mgmt.inventory import ROLES, Rejected, Row

Format = Literal["csv", "netjson", "netbox"]
NODE_NAMES: Final = tuple(field.name for field in fields(Node))
SENSOR_NAMES: Final = tuple(field.name for field in fields(Sensor))
ALIASES: Final[Mapping[str, str]] = {
    "id": "node_id", "knoten": "node_id", "knoten_id": "node_id", "bezeichnung": "name", "ip": "address",
    "ip_address": "address", "adresse": "address", "host": "address", "rolle": "role", "bezirk": "district",
    "stadtteil": "district", "standort": "site", "hersteller": "vendor", "manufacturer": "vendor", "modell": "model",
    "seriennummer": "serial", "profil": "profile", "breite": "lat", "breitengrad": "lat", "latitude": "lat",
    "länge": "lon", "längengrad": "lon", "longitude": "lon", "lng": "lon", "ip_adresse": "address",
}  # fmt: skip
SENSOR_ALIASES: Final[Mapping[str, str]] = {
    **{name: target for name, target in ALIASES.items() if target != "node_id"},
    "id": "sensor_id", "dev_eui": "sensor_id", "deveui": "sensor_id", "eui": "sensor_id", "art": "kind",
    "intervall_s": "interval_s", "interval": "interval_s",
}  # fmt: skip
NETBOX: Final[Mapping[str, str]] = {
    "name": "node_id", "role": "role", "device_role": "role", "manufacturer": "vendor", "type": "model",
    "device_type": "model", "serial": "serial", "serial_number": "serial", "site": "site", "location": "district",
    "ip_address": "address", "primary_ip": "address", "primary_ip4": "address", "primary_ip6": "address",
    "ipv4_address": "address", "ipv6_address": "address", "latitude": "lat", "longitude": "lon",
    "rolle": "role", "hersteller": "vendor", "typ": "model", "seriennummer": "serial", "standort": "site",
    "lokation": "district", "ip_adresse": "address", "ipv4_adresse": "address", "ipv6_adresse": "address",
    "breitengrad": "lat", "längengrad": "lon",
}  # fmt: skip
"""Its fields as the API has them, and the column titles of its table export in English and German."""
COLUMNS: Final = tuple(name for name in NODE_NAMES if name != "attributes")
NETBOX_ROLES: Final = {"access_point": "hotspot", "router": "gateway", "mesh_node": "mesh"}
_SEPARATOR_LINE: Final = re.compile(r'"?sep=([,;|\t])"?[,;|\t]*\r?(?:\n|$)', re.IGNORECASE)
"""The line with which a spreadsheet is told how a table's cells are separated; it is no row."""
Parsed = tuple[list[Row], list[Rejected]]


class CsvReader(Protocol):
    """What csv.reader returns; its own type has no public name."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


class _Records:
    """The records of a table; `line` is where the last one asked for begins, however many lines its values take."""

    def __init__(self, reader: CsvReader) -> None:
        self._reader = reader
        self.line = 1

    def __iter__(self) -> _Records:
        return self

    def __next__(self) -> list[str]:
        self.line = self._reader.line_num + 1
        return next(self._reader)


def parse_nodes(text: str, form: Format) -> Parsed:
    """Rows by our names, and what is wrong with the file as a whole."""
    if form == "netjson":
        return _netjson(text)
    if form == "netbox":
        return _netbox(text)
    return _table(text, COLUMNS, ALIASES)


def parse_sensors(text: str) -> Parsed:
    """Sensors from CSV."""
    return _table(text, tuple(name for name in SENSOR_NAMES if name != "attributes"), SENSOR_ALIASES)


def _table(text: str, names: Sequence[str], aliases: Mapping[str, str]) -> Parsed:
    """A CSV with comma, semicolon, tab or bar, with or without BOM; foreign columns stay, a plus before the name."""
    text = text.removeprefix("\ufeff")
    head, told = text.split("\n", 1)[0], _SEPARATOR_LINE.match(text)
    delimiter = told[1] if told else max(",;\t|", key=head.count)
    # Strict: a quotation mark that is never closed would take all that follows for one value of its row.
    records = _Records(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    try:
        header = next(records, None)
        if told:
            header = next(records, None)
        if header is None:
            return [], [Rejected(1, "no_rows")]
        columns = [_column(title.strip(), names, aliases) for title in header]
        twice = [name for at, name in enumerate(columns) if name != "+" and name in columns[:at]]
        if twice:
            return [], [Rejected(1, "duplicate", twice[0], twice[0].removeprefix("+"))]
        if names[0] not in columns:
            return [], [Rejected(1, "missing", names[0])]
        return _table_rows(records, columns)
    except csv.Error as error:
        if "limit" in str(error):
            return [], [Rejected(records.line, "not_a_table", "", str(error))]
        return [], [Rejected(records.line, "bad_quote")]


def _column(title: str, names: Sequence[str], aliases: Mapping[str, str]) -> str:
    """Our name for a column; foreign ones keep theirs with a plus before it, and so does what has one already."""
    plain = _plain_title(title)
    name = aliases.get(plain, plain)
    return name if name in names else "+" + title.removeprefix("+")


def _plain_title(title: str) -> str:
    return title.strip().lower().replace(" ", "_").replace("-", "_")


def _table_rows(records: _Records, columns: Sequence[str]) -> Parsed:
    """Rows by column. Empty cells beyond the last column are what spreadsheets leave behind, and no fault."""
    rows: list[Row] = []
    rejected: list[Rejected] = []
    for cells in records:
        if any(cell.strip() for cell in cells[len(columns) :]):
            rejected.append(Rejected(records.line, "not_a_table", "", f"{len(cells)} > {len(columns)}"))
        elif any(cell.strip() for cell in cells):
            rows.append((records.line, dict(zip(columns, cells, strict=False))))
    return rows, rejected or ([] if rows else [Rejected(1, "no_rows")])


def _document(text: str) -> Any:
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None


def _netjson(text: str) -> Parsed:
    """NetworkGraph: id, label, local_addresses and properties of each node; the line is its place in the list."""
    found = _document(text)
    if not isinstance(found, dict) or found.get("type") != "NetworkGraph" or not isinstance(found.get("nodes"), list):
        return [], [Rejected(1, "not_a_table", "type", "NetworkGraph")]
    rows: list[Row] = []
    rejected: list[Rejected] = []
    for at, node in enumerate(found["nodes"], 1):
        if not isinstance(node, dict):
            rejected.append(Rejected(at, "not_a_table", "nodes"))
            continue
        given = node.get("properties")
        properties: dict[str, Any] = given if isinstance(given, dict) else {}
        row = {name if name in COLUMNS else "+" + str(name): _plain(value) for name, value in properties.items()}
        row["node_id"] = _plain(node.get("id", ""))
        row["name"] = _plain(node.get("label", "")) or row.get("name", "")
        addresses = node.get("local_addresses")
        if not row.get("address"):
            row["address"] = _plain(addresses[0]) if isinstance(addresses, list) and addresses else row["node_id"]
        rows.append((at, row))
    return rows, rejected or ([] if rows else [Rejected(1, "no_rows")])


def _netbox(text: str) -> Parsed:
    """NetBox's device export: CSV with its column titles, or the API's JSON with `results`."""
    document = _document(text)
    entries = document.get("results") if isinstance(document, dict) else document
    if isinstance(entries, list):
        rows: list[Row] = [(at, _netbox_entry(entry)) for at, entry in enumerate(entries, 1) if isinstance(entry, dict)]
        if len(rows) < len(entries):
            return rows, [Rejected(1, "not_a_table", "results")]
        if isinstance(document, dict) and document.get("next"):
            return rows, [Rejected(1, "not_whole", "results", _plain(document.get("count")))]
        return rows, [] if rows else [Rejected(1, "no_rows")]
    parsed, rejected = _table(text, ("name",), {})
    plain = [(line, {name.removeprefix("+"): value for name, value in row.items()}) for line, row in parsed]
    return [(line, _netbox_row(row)) for line, row in plain], rejected


def _netbox_entry(entry: Mapping[str, Any]) -> dict[str, str]:
    """One device of the API's JSON; custom fields with our names count before NetBox's own."""
    own = entry.get("custom_fields")
    row = _netbox_row(dict(_flat({name: value for name, value in entry.items() if name != "custom_fields"})))
    if isinstance(own, dict):
        told = {name if name in COLUMNS else "+" + str(name): _plain(value) for name, value in own.items()}
        row |= {name: value for name, value in told.items() if value}
    return row


def _netbox_row(row: Mapping[str, str]) -> dict[str, str]:
    """Our names where NetBox has them; `name` serves as id and as name."""
    found: dict[str, str] = {}
    for raw, value in row.items():
        name = NETBOX.get(_plain_title(raw))
        if name is None:
            found["+" + raw] = value
        elif value and not found.get(name):
            found[name] = value.split("/", 1)[0] if name == "address" else value
    found["name"] = found.get("node_id", "")
    role = _plain_title(found.get("role", ""))
    found["role"] = NETBOX_ROLES.get(role, role if role in ROLES else "other")
    return found


def _flat(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """NetBox nests objects; their `address`, `name`, `model` or `display` is what a row needs."""
    for name, value in entry.items():
        if not isinstance(value, dict):
            yield name, _plain(value)
            continue
        inner = next((value[key] for key in ("address", "model", "name", "value", "display") if value.get(key)), "")
        yield name, _plain(inner)
        if name == "device_type" and isinstance(value.get("manufacturer"), dict):
            yield "manufacturer", _plain(value["manufacturer"].get("name", ""))


def _plain(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def write_nodes(nodes: Iterable[Node], form: Format) -> str:
    """The inventory in one of the three shapes; reading it back gives the same nodes."""
    if form == "netjson":
        return json.dumps(_graph(nodes), indent=1, ensure_ascii=False) + "\n"
    rows = [_values(node) for node in nodes]
    if form == "netbox":
        return json.dumps({"count": len(rows), "results": [_to_netbox(row) for row in rows]}, ensure_ascii=False) + "\n"
    extra = sorted({name for row in rows for name in row if name not in COLUMNS})
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, *map(_title, extra)])
    writer.writerows([row.get(name, "") for name in (*COLUMNS, *extra)] for row in rows)
    return out.getvalue()


def _title(name: str) -> str:
    """The column of a foreign field; a plus says so where its name would be taken for one of ours."""
    return name if _column(name, COLUMNS, ALIASES) == "+" + name else "+" + name


def _values(node: Node) -> dict[str, object]:
    row: dict[str, object] = {name: "" if (value := getattr(node, name)) is None else value for name in COLUMNS}
    return {**json.loads(node.attributes), **row}


def _graph(nodes: Iterable[Node]) -> dict[str, object]:
    found = list(nodes)
    entries = []
    for node in found:
        properties = {
            name: value for name, value in _values(node).items() if name not in ("node_id", "name") and value != ""
        }
        entries.append(
            {"id": node.node_id, "label": node.name, "local_addresses": [node.address], "properties": properties}
        )
    links = [{"source": node.node_id, "target": node.uplink, "cost": 1.0} for node in found if node.uplink]
    return {
        "type": "NetworkGraph",
        "protocol": "static",
        "version": "1",
        "metric": "hops",
        "nodes": entries,
        "links": links,
    }


def _to_netbox(row: Mapping[str, object]) -> dict[str, object]:
    """The fields NetBox knows under its names; all of ours as custom fields: nothing is lost on the way back."""
    return {
        "name": row["node_id"],
        "role": {"name": row["role"]},
        "device_type": {"model": row["model"], "manufacturer": {"name": row["vendor"]}},
        "primary_ip4": {"address": row["address"]},
        "latitude": row["lat"],
        "longitude": row["lon"],
        "serial": row["serial"],
        "custom_fields": dict(row),
    }
