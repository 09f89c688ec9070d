"""Imports and exports of the inventory: everything is checked first, then all of it is written or nothing."""

from __future__ import annotations

import contextlib
import getpass
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, opened, store_exists, writable
from console.cli.render import emit, put, say
from console.clock import now_ms
from console.texts import _

NODE_FORMATS = ("csv", "netjson", "netbox")
REASONS: dict[str, Callable[[], str]] = {
    "missing": lambda: _("{field} is missing"),
    "bad_id": lambda: _("{value!r} cannot be an id: letters, digits, '.', '-', '_', ':' only"),
    "bad_address": lambda: _("{value!r} is neither an IP address nor a host name"),
    "bad_port": lambda: _("port {value!r} is not between 1 and 65535"),
    "bad_number": lambda: _("{field} {value!r} is no number in its range"),
    "bad_role": lambda: _("role {value!r} is unknown"),
    "bad_kind": lambda: _("kind {value!r} is unknown"),
    "duplicate": lambda: _("{field} {value!r} is taken already"),
    "eui_damaged": lambda: _(
        "{value!r} is a DevEUI a spreadsheet has damaged: format the column as text and export again"
    ),
    "serial_damaged": lambda: _(
        "serial number {value!r} has been damaged by a spreadsheet: format the column as text and export again"
    ),
    "bad_quote": lambda: _("a quotation mark in this row does not close where its value ends"),
    "not_whole": lambda: _(
        "the file is one page of {value} devices: export the list as CSV, or ask the API for more with ?limit="
    ),
    "not_a_table": lambda: _("the file does not have the expected shape {value}"),
    "no_rows": lambda: _("the file holds no rows"),
    "half_place": lambda: _("a place needs lat and lon: {field} is missing"),
    "unknown_uplink": lambda: _("uplink {value!r} is neither in the file nor in the inventory"),
}


def reason_words(rejected: Any) -> str:
    """Why a row was rejected."""
    return REASONS[rejected.reason]().format(field=rejected.field, value=rejected.value)


def read_text(file: Path, *, is_table: bool = False) -> str:
    """A text file a person named; what is wrong with it ends the command in one sentence."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise click.UsageError(_("{file} cannot be read: {error}").format(file=file, error=error.strerror)) from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = _windows_text(raw) if is_table else None
        if text is None:
            raise click.UsageError(_not_utf8(file, error.start, is_table)) from error
    say(
        _(
            "{file} is not UTF-8: read as Windows-1252, as Excel saves a CSV; look at the names first with --dry-run"
        ).format(file=file)
    )
    return text


def _windows_text(raw: bytes) -> str | None:
    """What Excel's plain CSV holds; None where the bytes are rather something else, or UTF-8 that was damaged."""
    if b"\0" in raw or not raw.decode("utf-8", "ignore").isascii():
        return None
    with contextlib.suppress(UnicodeDecodeError):
        return raw.decode("cp1252")
    return None


def _not_utf8(file: Path, at: int, is_table: bool) -> str:
    text = _("{file} is not UTF-8 text (byte {at}): ")
    way = (
        _("in Excel choose Save As, 'CSV UTF-8'; in LibreOffice Save As, 'Edit filter settings', character set UTF-8")
        if is_table
        else _("save it as UTF-8 and try again")
    )
    return text.format(file=file, at=at) + way


@dataclass(frozen=True, slots=True)
class Kind:
    """What is imported: its name in the operation log, its key, how to plan, to read all, to write."""

    entity: str
    key: str
    plan: Callable[..., Any]
    read: Callable[[Any], list[Any]]
    save: Callable[[Any, list[Any], int], int]

    def known(self, cx: Any) -> dict[str, Any]:
        """What is there, by key."""
        return {getattr(one, self.key): one for one in self.read(cx)}


def _record(cx: Any, kind: Kind, found: Any, now: int) -> None:
    """One operation for each entry that comes or changes, in the transaction of the change itself."""
    from local_store.oplog import Change, record

    actor, rng = getpass.getuser(), random.SystemRandom()
    changes = [Change(kind.entity, getattr(one, kind.key), "declared", asdict(one)) for one in found.new]
    for _entry, change in found.changed:
        values = {name: after for name, (_before, after) in change.fields.items()}
        changes.append(Change(kind.entity, change.entity_id, "changed", values))
    for one in changes:
        record(cx, one, actor, now_ms=now, rng=rng)


@dataclass(frozen=True, slots=True)
class Given:
    """A file as it was read: its rows, what is wrong with it, and what it consists of (`csv` of lines)."""

    file: Path
    form: str
    rows: list[Any]
    rejected: list[Any]

    def place(self, number: int) -> str:
        """Where a row stands, as a person finds it there."""
        text = _("{file}, line {line}") if self.form == "csv" else _("{file}, entry {line}")
        return text.format(file=self.file, line=number)


def _given(file: Path, form: Any) -> Given:
    from mesh_mgmt.inventory_formats import parse_nodes

    text = read_text(file, is_table=form != "netjson")
    return Given(file, "json" if text.lstrip().startswith(("{", "[")) else "csv", *parse_nodes(text, form))


def _import(given: Given, kind: Kind, dry_run: bool, skip_rejected: bool, as_json: bool) -> int:
    """Plan and write in one transaction, so that nothing can change between the two."""

    def carry_out(cx: Any) -> tuple[Any, bool]:
        found = kind.plan(given.rows, kind.known(cx), given.rejected)
        applied = not dry_run and (skip_rejected or not found.rejected)
        if applied:
            now = now_ms()
            kind.save(cx, found.rows(), now)
            _record(cx, kind, found, now)
        return found, applied

    if dry_run and not store_exists():
        found, applied = kind.plan(given.rows, {}, given.rejected), False  # looking must not leave a store behind
    else:
        with writable(create=not dry_run) as store:
            found, applied = store.ops.write(carry_out)
    _tell(given, found, applied, dry_run, as_json)
    return FINDINGS if found.rejected else 0


def _tell(given: Given, found: Any, applied: bool, dry_run: bool, as_json: bool) -> None:
    counts = {"new": len(found.new), "changed": len(found.changed), "unchanged": found.unchanged,
              "rejected": len(found.rejected)}  # fmt: skip
    for one in found.rejected:
        say(f"{given.place(one.line)}: {reason_words(one)}")
    if as_json:
        emit([{**counts, "applied": applied}])
    say(_("{new} new, {changed} changed, {unchanged} unchanged, {rejected} rejected").format(**counts))
    if dry_run:
        say(_("nothing was imported: this was a dry run"))
    elif not applied:
        say(_("nothing was imported: mend the rows, or import the others with --skip-rejected"))


def import_options(command: words.Handler) -> words.Handler:
    """FILE, --dry-run, --skip-rejected, --json and the global options."""
    command = json_option(global_options(command))
    command = words.option("--skip-rejected", is_flag=True, help="import the good rows although others are rejected")(
        command
    )
    command = words.option("--dry-run", is_flag=True, help="only say what would happen")(command)
    return click.argument("file", type=click.Path(path_type=Path))(command)


@words.command("import")
@import_options
@words.option("--format", "form", type=click.Choice(NODE_FORMATS), default="csv", show_default=True, help="file format")
def nodes_import(file: Path, form: Any, dry_run: bool, skip_rejected: bool, as_json: bool) -> int:
    """Import nodes, all or none. Example: leitstand nodes import nodes.csv --dry-run"""
    from local_store import nodes
    from mesh_mgmt.inventory import plan_nodes

    kind = Kind("node", "node_id", plan_nodes, nodes.all_nodes, nodes.upsert_nodes)
    return _import(_given(file, form), kind, dry_run, skip_rejected, as_json)


@words.command("import")
@import_options
def sensors_import(file: Path, dry_run: bool, skip_rejected: bool, as_json: bool) -> int:
    """Import sensors from CSV, all or none. Example: leitstand sensors import sensors.csv --dry-run"""
    from local_store import sensing
    from mesh_mgmt.inventory import plan_sensors
    from mesh_mgmt.inventory_formats import parse_sensors

    kind = Kind("sensor", "sensor_id", plan_sensors, sensing.all_sensors, sensing.upsert_sensors)
    given = Given(file, "csv", *parse_sensors(read_text(file, is_table=True)))
    return _import(given, kind, dry_run, skip_rejected, as_json)


@words.command("export")
@words.option("--format", "form", type=click.Choice(NODE_FORMATS), default="csv", show_default=True, help="file format")
@global_options
def nodes_export(form: Any) -> None:
    """Write the inventory to standard output. Example: leitstand nodes export --format netjson"""
    from local_store import nodes
    from mesh_mgmt.inventory_formats import write_nodes

    with opened() as reader:
        text = write_nodes(reader.read(nodes.all_nodes), form)
    put([text.removesuffix("\n")])
