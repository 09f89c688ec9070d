"""The commands about maintenance: times in which alarms of some nodes are held back."""

from __future__ import annotations

import getpass
import os
import random
import re
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from console import texts
from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, opened, writable
from console.cli.render import emit, say, table
from console.clock import now_ms
from console.texts import _, ngettext

REPEATS = ("daily", "weekly")
LENGTH = re.compile(r"(\d{1,4})(min|h|d)")


@words.group()
@global_options
def maintenance() -> None:
    """Times in which nodes raise no alarm."""


def local_zone() -> str:
    """The IANA name of this machine's time zone; UTC where it has none."""
    if zone := os.environ.get("TZ", "").lstrip(":"):
        return zone
    target = str(Path("/etc/localtime").resolve())
    return target.partition("zoneinfo/")[2] or "UTC"


def _minutes(start: datetime, given: str, zone: str, repeats: str | None) -> int:
    """How long a window lasts by the clock on the wall: `2h`, `90min`, or up to a local time.

    A length is that long also in the night the clocks change; one that repeats keeps to the wall.
    """
    from mesh_mgmt.windows import wall_minutes

    if found := LENGTH.fullmatch(given):
        minutes = int(found[1]) * {"min": 1, "h": 60, "d": 1440}[found[2]]
        return minutes if repeats else wall_minutes(start, minutes, zone)
    return round((_local(given, start, zone) - start) / timedelta(minutes=1))


def _local(given: str, after: datetime, zone: str) -> datetime:
    """A time of the zone: `2026-03-29T01:00`, one with its own offset, or `01:00` meaning the next one after."""
    from zoneinfo import ZoneInfo

    try:
        if re.fullmatch(r"\d{1,2}:\d{2}", given):
            hour, minute = map(int, given.split(":"))
            found = after.replace(hour=hour, minute=minute, second=0, microsecond=0)
            return found if found > after else found + timedelta(days=1)
        found = datetime.fromisoformat(given)
        return (found if found.tzinfo is None else found.astimezone(ZoneInfo(zone))).replace(tzinfo=None)
    except ValueError as error:
        text = _("{given!r} is no time: write 14:30, 2026-03-29T01:00, or for an end 90min, 2h or 1d")
        raise click.UsageError(text.format(given=given)) from error


@maintenance.command("add")
@click.argument("expression")
@words.option("--reason", required=True, help="who does what about it")
@words.option("--from", "starts", default="", help="local time it starts; now otherwise")
@words.option("--to", "ends", required=True, help="local time it ends, or how long: 2h")
@words.option("--zone", default="", help="IANA time zone; this machine's otherwise")
@words.option("--repeats", type=click.Choice(REPEATS), default=None, help="again every day or week")
@json_option
@global_options
def maintenance_add(
    expression: str, reason: str, starts: str, ends: str, zone: str, repeats: str | None, as_json: bool
) -> int:
    """Silence nodes. Example: leitstand maintenance add district:buer --from 01:00 --to 05:00 --reason 'new masts'"""
    from local_store.maintenance import FilterError, nodes_of
    from local_store.mesh_records import MaintenanceRow
    from local_store.uuid7 import uuid7
    from mesh_mgmt.windows import is_over, next_span, wrong_with

    if not reason.strip():
        raise click.UsageError(_("the reason is empty: say who does what about it"))
    now = now_ms()
    zone = zone or local_zone()
    here = _now_in(zone, now)
    start = _local(starts, here, zone) if starts else here
    number = uuid7(now, random.SystemRandom())
    local = start.strftime("%Y-%m-%dT%H:%M")
    minutes = _minutes(start, ends, zone, repeats)
    row = MaintenanceRow(number, expression, zone, local, minutes, repeats or "", None, reason,
                         getpass.getuser(), now)  # fmt: skip
    if code := wrong_with(row):
        raise click.UsageError(_why(code, row))
    if is_over(row, now):
        raise click.UsageError(_("the window {when} is over already").format(when=_when(row)))
    with writable() as store:
        try:
            found = store.read(lambda cx: nodes_of(cx, expression))
        except FilterError as error:
            text = _("{expression!r} is no filter of nodes: {error}")
            raise click.UsageError(text.format(expression=expression, error=error)) from error
        if not found:
            say(_("no node is meant by {expression!r}: nothing was added").format(expression=expression))
            return FINDINGS
        store.ops.write(lambda cx: _store(cx, row, "added", now))
    span = next_span(row, now)
    if as_json:
        emit([{**asdict(row), "nodes": len(found), "next_start_ms": span.start_ms if span else None}])
    text = ngettext("{n} node is silenced {when}, with all that hangs on it",
                    "{n} nodes are silenced {when}, with all that hangs on them", len(found))  # fmt: skip
    say(text.format(n=len(found), when=_when(row)))
    return 0


def _now_in(zone: str, now: int) -> datetime:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return datetime.fromtimestamp(now / 1000, ZoneInfo(zone)).replace(tzinfo=None)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise click.UsageError(_("{zone!r} is no time zone: write one as Europe/Berlin").format(zone=zone)) from error


def _why(code: str, row: Any) -> str:
    return {
        "length": _("the end lies before the start, or more than 31 days after it"),
        "overlap": _("a window that repeats must end before it starts again"),
        "zone": _("{zone!r} is no time zone: write one as Europe/Berlin").format(zone=row.zone),
    }.get(code, code)


def _store(cx: Any, row: Any, what: str, now: int) -> None:
    from local_store import maintenance as rows
    from local_store import oplog

    if what == "added":
        rows.add(cx, row)
    change = oplog.Change("maintenance", row.window_id, what, {"expression": row.expression, "reason": row.reason})
    oplog.record(cx, change, getpass.getuser(), now_ms=now, rng=random.SystemRandom())


def _when(row: Any) -> str:
    end = datetime.fromisoformat(row.starts) + timedelta(minutes=row.minutes)
    again = {"daily": _("every day"), "weekly": _("every week")}.get(row.repeats, "")
    return f"{row.starts.replace('T', ' ')} – {end:%Y-%m-%d %H:%M} {row.zone}{f', {again}' if again else ''}"


@maintenance.command("list")
@words.option("--all", "everything", is_flag=True, help="those that are over too")
@json_option
@global_options
def maintenance_list(everything: bool, as_json: bool) -> None:
    """List windows, the newest first. Example: leitstand maintenance list"""
    from local_store.maintenance import windows
    from mesh_mgmt.windows import holds, is_over

    now = now_ms()
    with opened() as reader:
        found = [row for row in reader.read(windows) if everything or not is_over(row, now)]
    if as_json:
        emit({**asdict(row), "holds": holds(row, now)} for row in found)
        return
    cells = [[row.window_id[-8:], row.expression, _when(row), _state(row, now), row.actor, row.reason] for row in found]
    table([_("WINDOW"), _("NODES"), _("WHEN"), _("STATE"), _("ACTOR"), _("REASON")], cells)
    say(ngettext("{n} window", "{n} windows", len(found)).format(n=texts.number(len(found))))


def _state(row: Any, now: int) -> str:
    from mesh_mgmt.windows import holds, is_over

    if holds(row, now):
        return _("holds now")
    return _("over") if is_over(row, now) else _("waiting")


@maintenance.command("end")
@click.argument("window_id")
@json_option
@global_options
def maintenance_end(window_id: str, as_json: bool) -> None:
    """End a window now. Example: leitstand maintenance end 1f2e3d4c"""
    from local_store import maintenance as rows

    now = now_ms()

    def end(cx: Any) -> Any:
        row = rows.end(cx, window_id, now)
        _store(cx, row, "ended", now)
        return row

    with writable() as store:
        row = store.ops.write(end)
    if as_json:
        emit([{**asdict(row), "ended_ms": now}])
    say(_("ended: alarms of {expression} come again").format(expression=row.expression))
