"""The commands about sensors."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from console import texts
from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, opened
from console.cli.imports import sensors_import
from console.cli.lists import at_option, complete_key, listed, read_list, read_moment
from console.cli.render import emit, facts, say, table
from console.clock import now_ms
from console.names import outside
from console.texts import _, ngettext
from local_store.views import past
from local_store.views.sensors import SENSORS, SensorDetail, detail


@words.group()
@global_options
def sensors() -> None:
    """Sensors: bins, climate stations and others."""


sensors.add_command(sensors_import)


@sensors.command("list")
@at_option
@listed(SENSORS)
def sensors_list(filter_text: str, sort: str, reverse: bool, as_json: bool, at: str) -> None:
    """List sensors. Example: leitstand sensors list 'kind:bin fill>=80' --sort fill --reverse"""
    then = read_moment(at)
    rows = read_list(SENSORS if then is None else past.SENSORS_THEN, filter_text, sort, reverse, then)
    if as_json:
        emit({**outside(row), "reading": json.loads(row["reading"] or "{}")} for row in rows)
        return
    now = now_ms() if then is None else then.at_ms
    head = [_("SENSOR"), _("NAME"), _("KIND"), _("DISTRICT"), _("STATE"), _("FILL"), _("BATTERY"), _("RSSI dBm"),
            _("GAPS"), _("SEEN")]  # fmt: skip
    table(head, [_cells(row, now) for row in rows], right=(5, 6, 7, 8, 9))
    say(ngettext("{n} sensor", "{n} sensors", len(rows)).format(n=texts.number(len(rows))))


def _cells(row: dict[str, Any], now: int) -> list[str]:
    return [
        row["sensor"],
        row["name"],
        texts.sensor_kind(row["kind"]),
        row["district"],
        texts.state(row["state"]),
        texts.percent(row["fill"]),
        texts.percent(row["battery"]),
        texts.number(row["rssi"]),
        texts.number(row["gaps"]),
        texts.age(row["seen"], now),
    ]


@sensors.command("show")
@click.argument("sensor_id", shell_complete=complete_key(SENSORS))
@at_option
@json_option
@global_options
def sensors_show(sensor_id: str, as_json: bool, at: str) -> int:
    """Show one sensor. Example: leitstand sensors show 24e1240000100001"""
    then = read_moment(at)
    with opened() as reader:
        found = reader.read(
            lambda cx: detail(cx, sensor_id) if then is None else past.sensor_detail(cx, then, sensor_id)
        )
    if found is None:
        say(_("there is no sensor {name}; `leitstand sensors list` shows them all").format(name=sensor_id))
        return FINDINGS
    heard_by = _heard_by(found)
    if as_json:
        emit([{**_object(found), "heard_by": heard_by}])
    else:
        _print(found, heard_by, now_ms() if then is None else then.at_ms)
    return 0


def _heard_by(found: SensorDetail) -> list[dict[str, Any]]:
    """Gateways that received it lately, the best first: EUI, node or "", share of its uplinks."""
    from local_store import hearing, nodes
    from mesh_mgmt.hearing import carriers

    shares = hearing.shares(found.state.dedup) if found.state else ()
    if not shares:
        return []
    with opened() as reader:
        by_eui = carriers(reader.read(nodes.all_nodes))
    return [{"gateway": eui, "node": by_eui.get(eui, ""), "share_pct": share / 10} for eui, share in shares]


def _object(found: SensorDetail) -> dict[str, Any]:
    encoded = ("dedup", "reading")
    state = None if found.state is None else asdict(found.state)
    return {
        "sensor": found.sensor_id,
        "declared": None if found.declared is None else asdict(found.declared),
        "state": None if state is None else {name: value for name, value in state.items() if name not in encoded},
        "reading": dict(found.reading),
        "events": [{**asdict(event), "body": json.loads(event.body)} for event in found.events],
    }


def _print(found: SensorDetail, heard_by: list[dict[str, Any]], now: int) -> None:
    declared, state = found.declared, found.state
    name = declared.name if declared else (state.name if state else "")
    pairs = [(_("sensor"), f"{found.sensor_id}  {name}")]
    if declared is not None:
        place = ", ".join(filter(None, (declared.district, declared.site)))
        pairs += [(_("kind"), texts.sensor_kind(declared.kind)), (_("place"), place or "–")]
    if state is not None:
        pairs += [
            (_("heard"), texts.age(state.seen_ms, now)),
            (_("received"), texts.number(state.received)),
            (_("missing by counter"), texts.number(state.gaps)),
            (_("repeated"), texts.number(state.duplicates)),
        ]
    for one in heard_by:
        name = f"{one['gateway']} ({one['node']})" if one["node"] else str(one["gateway"])
        pairs.append((_("heard by"), f"{name}  {texts.percent(one['share_pct'])}"))
    for quantity, value in sorted(found.reading.items()):
        word, unit = texts.quantity(quantity)
        pairs.append((word, f"{texts.number(value, 1)} {unit}".rstrip()))
    facts(pairs)
