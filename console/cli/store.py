"""The commands about the store itself, imports and exports, measurements, status."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from console import texts
from console.cli.context import FINDINGS, emit, global_options, json_option, opened, say, writable
from console.cli.render import facts
from console.clock import now_ms
from console.texts import _

UNITS_S = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400, "t": 86_400}


def since_ms(text: str, now: int) -> int:
    """`90min`, `6h`, `2d`, or an ISO time of this machine's zone. Raises a usage error."""
    import re
    from datetime import datetime

    short = re.fullmatch(r"(\d+)\s*([a-z]+)", text.strip().lower())
    if short and short[2] in UNITS_S:
        return now - int(short[1]) * UNITS_S[short[2]] * 1000
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except ValueError:
        raise click.UsageError(
            _("{text!r} is no time: write 90min, 6h, 2d or 2026-11-23T14:00").format(text=text)
        ) from None


@click.command()
@click.argument("series", metavar="ENTITY:QUANTITY")
@click.option("--since", default="1h", show_default=True, help="90min, 6h, 2d or a time")
@click.option(
    "--buckets", type=click.IntRange(1, 100_000), default=None, help="so many equal stretches with min, mean, max"
)
@json_option
@global_options
def measurements(series: str, since: str, buckets: int | None, as_json: bool) -> int:
    """Read one series. Example: leitstand measurements ge-bue-0001:rtt_ms --since 6h"""
    from local_store.telemetry import query
    from local_store.telemetry import series as names

    entity, separator, quantity = series.rpartition(":")
    now = now_ms()
    start = since_ms(since, now)
    with opened() as reader:
        number = reader.read(lambda cx: names.find(cx, entity, quantity, "tm")) if separator else None
        if number is None:
            known = reader.read(lambda cx: names.quantities(cx, entity or series, "tm"))
            say(_("there is no series {name}; known here: {known}").format(
                name=series, known=", ".join(f"{entity or series}:{what}" for _n, what in known) or "–"))  # fmt: skip
            return FINDINGS
        if buckets is not None:
            rows = reader.read(lambda cx: query.buckets(cx, number, start, now, buckets, "tm"))
            found = [{"t_ms": b.t_ms, "n": b.n, "min": b.v_min, "mean": b.v_mean, "max": b.v_max} for b in rows if b.n]
        else:
            times, values = reader.read(lambda cx: query.read(cx, number, start, now + 1, "tm"))
            found = [{"t_ms": t, "value": v} for t, v in zip(times.tolist(), values.tolist(), strict=True)]
    if as_json:
        emit(found)
        return 0
    for row in found:
        click.echo(
            texts.moment(int(row["t_ms"]))
            + "  "
            + "  ".join(f"{value:g}" for name, value in row.items() if name != "t_ms")
        )
    return 0


@click.command()
@json_option
@global_options
def status(as_json: bool) -> int:
    """The city in ten lines. Example: leitstand status --json"""
    from dataclasses import asdict

    from local_store.views.overview import overview

    with opened() as reader:
        found = reader.read(lambda cx: overview(cx, now_ms()))
    if as_json:
        emit([asdict(found)])
    else:
        engine = _("running") if found.engine.alive else _("not running")
        facts(
            [
                (_("engine"), engine),
                ("GEvernetzt", _("{known} nodes: {ok} ok, {warning} warning, {down} down, {unknown} unknown").format(
                    **{k: texts.number(v) for k, v in asdict(found.nodes).items()})),
                ("GEsäubert", _("{known} bins: {due} due, {silent} silent").format(**asdict(found.bins))),
                ("GEgrünt", _("{known} stations: {heard} heard, {silent} silent").format(**asdict(found.stations))),
                (
                    _("alerts"),
                    _("{open} open, {acked} acknowledged").format(open=found.open_alerts, acked=found.acked_alerts),
                ),
                (_("quarantine"), texts.number(found.quarantine)),
            ]
        )  # fmt: skip
    return FINDINGS if found.nodes.down or not found.engine.alive else 0


REASONS: dict[str, Callable[[], str]] = {
    "missing": lambda: _("{field} is missing"),
    "bad_id": lambda: _("{value!r} cannot be an id: letters, digits, '.', '-', '_', ':' only"),
    "bad_address": lambda: _("{value!r} is neither an IP address nor a host name"),
    "bad_port": lambda: _("port {value!r} is not between 1 and 65535"),
    "bad_number": lambda: _("{field} {value!r} is no number in its range"),
    "bad_role": lambda: _("role {value!r} is unknown"),
    "bad_kind": lambda: _("kind {value!r} is unknown"),
    "duplicate": lambda: _("{value!r} stands in the file already"),
    "eui_damaged": lambda: _(
        "{value!r} is a DevEUI a spreadsheet has damaged: format the column as text and export again"
    ),
    "not_a_table": lambda: _("the file does not have the expected shape {value}"),
    "no_rows": lambda: _("the file holds no rows"),
    "unknown_uplink": lambda: _("uplink {value!r} is neither in the file nor in the inventory"),
}


def reason_words(rejected: Any) -> str:
    """Why a row was rejected."""
    return REASONS[rejected.reason]().format(field=rejected.field, value=rejected.value)


def _import(file: Path, parse: Callable[[str], Any], plan: Callable[..., Any], load: Any, save: Any, dry_run: bool,
            skip_rejected: bool, as_json: bool) -> int:  # fmt: skip
    """Check everything, say what would happen, and write all of it or nothing."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(
            _("{file} cannot be read as UTF-8 text: {error}").format(file=file, error=error)
        ) from error
    with writable() as store:
        rows, rejected = parse(text)
        found = plan(rows, store.read(load), rejected)
        applied = not dry_run and (skip_rejected or not found.rejected)
        if applied:
            store.ops.write(lambda cx: save(cx, found.rows(), now_ms()))
    counts = {"new": len(found.new), "changed": len(found.changed), "unchanged": found.unchanged,
              "rejected": len(found.rejected), "applied": applied}  # fmt: skip
    for one in found.rejected:
        say(_("{file}, line {line}: {why}").format(file=file, line=one.line, why=reason_words(one)))
    if as_json:
        emit([counts])
    else:
        say(_("{new} new, {changed} changed, {unchanged} unchanged, {rejected} rejected").format(**counts))
        if not applied and not dry_run:
            say(_("nothing was imported: mend the rows, or import the others with --skip-rejected"))
    return FINDINGS if found.rejected else 0


def import_options(command: Any) -> Any:
    """--dry-run, --skip-rejected, --json and the global options."""
    command = click.option("--dry-run", is_flag=True, help="only say what would happen")(command)
    command = click.option("--skip-rejected", is_flag=True, help="import the good rows although others are rejected")(
        command
    )
    return json_option(global_options(command))


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["csv", "netjson", "netbox"]), default="csv", show_default=True)
@import_options
def nodes_import(file: Path, form: Any, dry_run: bool, skip_rejected: bool, as_json: bool) -> int:
    """Import nodes. Example: leitstand nodes import nodes.csv --dry-run"""
    from local_store import nodes
    from mesh_mgmt.inventory import plan_nodes
    from mesh_mgmt.inventory_formats import parse_nodes

    return _import(file, lambda text: parse_nodes(text, form), plan_nodes, _known(nodes.all_nodes, "node_id"),
                   nodes.upsert_nodes, dry_run, skip_rejected, as_json)  # fmt: skip


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@import_options
def sensors_import(file: Path, dry_run: bool, skip_rejected: bool, as_json: bool) -> int:
    """Import sensors from CSV. Example: leitstand sensors import sensors.csv --dry-run"""
    from local_store import sensing
    from mesh_mgmt.inventory import plan_sensors
    from mesh_mgmt.inventory_formats import parse_sensors

    return _import(file, parse_sensors, plan_sensors, _known(sensing.all_sensors, "sensor_id"),
                   sensing.upsert_sensors, dry_run, skip_rejected, as_json)  # fmt: skip


def _known(read: Callable[[Any], list[Any]], key: str) -> Callable[[Any], dict[str, Any]]:
    return lambda cx: {getattr(one, key): one for one in read(cx)}


@click.command("export")
@click.option("--format", "form", type=click.Choice(["csv", "netjson", "netbox"]), default="csv", show_default=True)
@global_options
def nodes_export(form: Any) -> None:
    """Write the inventory to standard output. Example: leitstand nodes export --format netjson"""
    from local_store import nodes
    from mesh_mgmt.inventory_formats import write_nodes

    with opened() as reader:
        sys.stdout.write(write_nodes(reader.read(nodes.all_nodes), form))


@click.group()
def store() -> None:
    """The store: two files with everything in them."""


@store.command("stats")
@json_option
@global_options
def store_stats(as_json: bool) -> None:
    """How much is in it. Example: leitstand store stats --json"""
    with opened() as reader:
        found = reader.read(_stats)
    if as_json:
        emit([found])
    else:
        facts([(name, texts.number(value)) for name, value in found.items()])


def _stats(cx: Any) -> dict[str, int]:
    from local_store.views.console_health import stats

    return stats(cx)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell. Example: leitstand completion bash"""
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root()
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(root.command, {}, "leitstand", "_LEITSTAND_COMPLETE").source())
