"""Tables as people and other programs want them: described, as rows, as a plain SQLite file. Never writes the store."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlite_utils
from sqlite_utils.utils import sqlite3 as plain

from local_store.db import OPS, TELEMETRY, Reader, connect
from local_store.errors import StoreError, StoreRefused
from local_store.files import private_file, sync_directory, sync_file
from local_store.telemetry import query

MEASUREMENTS: Final = "measurements"
PACKED: Final = frozenset({"tail", "bundle", "chunk", "times", "rollup"})
"""Tables of packed measurements; they are exported unpacked, as MEASUREMENTS."""
SEALED: Final = frozenset({"config_body", "ssh_call", "step"})
"""Tables that hold passwords of devices, or may: configurations, what was sent and what came back."""
OPEN: Final = frozenset(
    [
        "alert",
        "alert_event",
        "audit",
        "audit_head",
        "config_applied",
        "config_backup",
        "config_exception",
        "config_finding",
        "config_look",
        "damaged",
        "declared_link",
        "device_event",
        "field_lease",
        "field_lease_node",
        "field_version",
        "firmware_image",
        "held",
        "intent",
        "lease",
        "link",
        "link_event",
        "maintenance",
        "mesh_place",
        "meta",
        "node",
        "node_mac",
        "node_state",
        "op",
        "quarantine",
        "recent_message",
        "rollout",
        "rollout_approval",
        "rollout_event",
        "rollout_evidence",
        "rollout_gate",
        "rollout_node",
        "rollout_wave",
        "run",
        "schema_step",
        "sensor",
        "sensor_state",
        "series",
        "service",
        "snmp_engine",
        "tally",
        "unknown_end",
        "view_setting",
    ]
)
"""Tables that may leave the store. A new one stays in until it is named here."""
PAGE_ROWS: Final = 5_000
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column; `key` is its place in the primary key, 0 outside of it."""

    name: str
    type: str
    key: int


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table: the file it is in, its columns, the SQL that makes it."""

    table: str
    file: str
    columns: tuple[ColumnFacts, ...]
    sql: str


@contextlib.contextmanager
def looking(directory: Path, key: bytes | None) -> Iterator[dict[str, sqlite_utils.Database]]:
    """Both files of a store for reading, by name."""
    with contextlib.ExitStack() as opened:
        found = {}
        for name in (OPS, TELEMETRY):
            cx = opened.enter_context(contextlib.closing(connect(directory / name, key)))
            cx.execute("PRAGMA query_only = ON")
            found[name] = sqlite_utils.Database(cx, execute_plugins=False)
        yield found


def described(files: Mapping[str, sqlite_utils.Database]) -> list[TableFacts]:
    """Every table by name; of a name that both files have, the one of operations."""
    found: dict[str, TableFacts] = {}
    for file, database in files.items():
        for table in database.tables:
            if not table.name.startswith("sqlite_"):
                columns = tuple(ColumnFacts(one.name, one.type, one.is_pk) for one in table.columns)
                found.setdefault(table.name, TableFacts(table.name, file, columns, table.schema))
    return [found[name] for name in sorted(found)]


def rows(files: Mapping[str, sqlite_utils.Database], facts: TableFacts) -> Iterator[Row]:
    """Every row in the order of the key, a few thousand a read: no reader stays open while somebody looks at them.

    What changes meanwhile comes in its old or its new form. What is no text in a BLOB stays away: it is packed.
    """
    if facts.table in PACKED:
        raise StoreRefused(f"{facts.table} holds packed measurements: export {MEASUREMENTS} instead")
    if facts.table not in OPEN:
        raise StoreRefused(f"{facts.table} holds passwords of devices, or may, and is not exported")
    keys = [one.name for one in sorted(facts.columns, key=lambda one: one.key) if one.key] or ["rowid"]
    named, marks = ", ".join(f'"{key}"' if key != "rowid" else key for key in keys), ", ".join("?" * len(keys))
    blobs = [one.name for one in facts.columns if one.type == "BLOB"]
    table = files[facts.file].table(facts.table)
    last: tuple[Any, ...] = ()
    while True:
        where = f"({named}) > ({marks})" if last else None
        page = list(table.pks_and_rows_where(where=where, where_args=last, order_by=named, limit=PAGE_ROWS))
        for _key, row in page:
            last = tuple(row[key] for key in keys)
            shown = row if keys != ["rowid"] else {name: value for name, value in row.items() if name != "rowid"}
            yield {name: _text(value) if name in blobs else value for name, value in shown.items()}
        if len(page) < PAGE_ROWS:
            return


def _text(value: object) -> object:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def measured(reader: Reader, t0_ms: int, t1_ms: int) -> Iterator[Row]:
    """Every measurement with t0 <= t < t1, series by series, one read each."""
    known = reader.read(
        lambda cx: cx.execute("SELECT series, entity_id, quantity FROM tm.series ORDER BY 2, 3").fetchall()
    )
    for series, entity, quantity in known:
        one = partial(query.read, series=series, t0_ms=t0_ms, t1_ms=t1_ms, schema="tm")
        times, values = reader.read(one)
        for t_ms, value in zip(times.tolist(), values.tolist(), strict=True):
            yield {"entity": entity, "quantity": quantity, "t_ms": t_ms, "value": value}


def copy(into: Path, tables: Iterable[tuple[TableFacts | None, Iterable[Row]]]) -> dict[str, int]:
    """Write tables (measurements where there are no facts) to a new plain SQLite file; the rows of each.

    The file is there complete or not at all. Raises StoreError.
    """
    if into.exists():
        raise StoreError(f"{into} exists already: name a file that does not, exports replace nothing")
    # Two exports to one file at once must not write into each other's draft.
    draft = into.with_name(f".{into.name}.{secrets.token_hex(4)}.partial")
    private_file(draft)
    try:
        with contextlib.closing(sqlite_utils.Database(draft, execute_plugins=False)) as target:
            counts = dict(_copied(target, facts, found) for facts, found in tables)
        sync_file(draft)
        draft.rename(into)
        sync_directory(into.parent)
    except plain.Error as error:
        raise StoreError(f"{into} could not be written ({error}): look at free space, or name another place") from error
    finally:
        draft.unlink(missing_ok=True)
    return counts


_MEASUREMENT_COLUMNS: Final = {"entity": str, "quantity": str, "t_ms": int, "value": float}


def _copied(target: sqlite_utils.Database, facts: TableFacts | None, found: Iterable[Row]) -> tuple[str, int]:
    if facts is None:
        table = target.table(MEASUREMENTS)
        table.create(_MEASUREMENT_COLUMNS)
        table.insert_all(found)
        table.create_index(["entity", "quantity", "t_ms"])
    else:
        table = target.table(facts.table)
        # What is a BLOB with text in the store is text for everybody else.
        columns = {one.name: "TEXT" if one.type == "BLOB" else one.type for one in facts.columns}
        keys = [one.name for one in sorted(facts.columns, key=lambda one: one.key) if one.key]
        table.create(columns, pk=(keys[0] if len(keys) == 1 else tuple(keys)) if keys else None)
        table.insert_all(found)
    return table.name, table.count
