"""The commands that list and show nodes, sensors and alerts."""

from __future__ import annotations

import json
from typing import Any

import click

from console import texts
from console.cli.context import FINDINGS, emit, global_options, json_option, opened, say, writable
from console.cli.render import facts, table
from console.clock import now_ms
from console.texts import _, ngettext


def read_list(listing_name: str, text: str, sort: str, descending: bool) -> list[dict[str, Any]]:
    """Rows of a list as dictionaries; a filter that cannot be understood is a usage error with its place."""
    from local_store.filter import FilterError
    from local_store.views import alerts, listing, nodes, sensors

    chosen = {
        "nodes": nodes.NODES,
        "sensors": sensors.SENSORS,
        "alerts": alerts.OPEN_ALERTS,
        "all_alerts": alerts.ALL_ALERTS,
    }[listing_name]
    with opened() as reader:
        try:
            keys = reader.read(lambda cx: listing.ids(cx, chosen, text, sort, descending))
        except FilterError as error:
            raise click.UsageError(filter_sentence(error, sorted(chosen.fields()))) from error
        found: dict[str, tuple[Any, ...]] = {}
        for at in range(0, len(keys), 500):
            part = keys[at : at + 500]
            found |= reader.read(lambda cx, part=part: listing.rows(cx, chosen, part))
    return [dict(zip(chosen.columns, found[key], strict=True)) for key in keys if key in found]


def filter_sentence(error: Any, known: list[str]) -> str:
    """What is wrong with a filter and what would be right."""
    if error.reason == "unknown_field":
        text = _("filter: there is no field {word!r} (position {at}); fields: {known}")
    elif error.reason == "not_a_number":
        text = _("filter: {word!r} is no number (position {at})")
    else:
        text = _("filter: the quotation mark at position {at} is not closed")
    return text.format(word=error.word, at=error.position + 1, known=", ".join(known))


list_options = [
    click.argument("filter_text", metavar="[FILTER]", default="", required=False),
    click.option("--sort", default="", help="column to sort by"),
    click.option("--reverse", is_flag=True, help="descending"),
]


def listed(command: Any) -> Any:
    """FILTER, --sort, --reverse, --json and the global options."""
    for decorate in reversed(list_options):
        command = decorate(command)
    return json_option(global_options(command))


@click.group()
def nodes() -> None:
    """The network's nodes."""


@nodes.command("list")
@listed
def nodes_list(filter_text: str, sort: str, reverse: bool, as_json: bool) -> None:
    """List nodes. Example: leitstand nodes list 'district:buer !ok' --sort rtt --reverse"""
    rows = read_list("nodes", filter_text, sort, reverse)
    if as_json:
        emit([{name: value for name, value in row.items() if name not in ("rank", "history")} for row in rows])
        return
    now = now_ms()
    table(
        [
            _("NODE"),
            _("DISTRICT"),
            _("ROLE"),
            _("STATE"),
            _("RTT ms"),
            _("LOSS"),
            _("LOAD"),
            _("IN"),
            _("FIRMWARE"),
            _("SEEN"),
        ],
        [
            [
                str(row["node"]),
                str(row["district"]),
                str(row["role"]),
                state_words(str(row["state"]), str(row["cause"])),
                texts.number(row["rtt"], 1),
                texts.percent(row["loss"]),
                texts.percent(row["load"]),
                texts.bits(row["in"]),
                str(row["fw"] or "–"),
                texts.age(row["seen"], now),
            ]
            for row in rows
        ],
        right=(4, 5, 6, 7, 9),
    )
    say(ngettext("{n} node", "{n} nodes", len(rows)).format(n=texts.number(len(rows))))


def state_words(state: str, cause: str) -> str:
    """The state with its cause in words."""
    return texts.state(state) + (f" ({texts.cause(cause)})" if cause else "")


@nodes.command("show")
@click.argument("node_id")
@json_option
@global_options
def nodes_show(node_id: str, as_json: bool) -> int:
    """Show one node. Example: leitstand nodes show ge-bue-0001"""
    from dataclasses import asdict

    from local_store.views import nodes as view

    with opened() as reader:
        found = reader.read(lambda cx: view.detail(cx, node_id))
    if found is None:
        say(_("there is no node {name}; `leitstand nodes list` shows them all").format(name=node_id))
        return FINDINGS
    if as_json:
        state = (
            None if found.state is None else {**asdict(found.state), "interfaces": None, "calls": None, "memory": None}
        )
        emit(
            [
                {
                    "node": asdict(found.node),
                    "state": {k: v for k, v in (state or {}).items() if v is not None} or None,
                    "interfaces": [asdict(one) for one in found.interfaces],
                    "calls": found.calls,
                    "behind": dict(found.children),
                }
            ]
        )
        return 0
    now = now_ms()
    state = found.state
    pairs = [
        (_("node"), f"{found.node.node_id}  {found.node.name}"),
        (_("state"), state_words(state.state, state.cause) if state else texts.state("unknown")),
        (_("since"), texts.moment(state.since_ms) if state else "–"),
        (_("answered"), texts.age(state.seen_ms, now) if state else "–"),
        (_("address"), f"{found.node.address}:{found.node.port}"),
        (_("model"), f"{found.node.vendor} {found.node.model}".strip() or "–"),
        (_("firmware"), (state.firmware if state else None) or found.node.firmware or "–"),
        (_("uplink"), found.node.uplink or "–"),
        (_("running for"), texts.duration(state.uptime_s) if state else "–"),
    ]
    facts(pairs)
    for port in found.interfaces:
        up = {True: _("up"), False: _("down"), None: "–"}[port.oper_up]
        click.echo(f"  {port.name:12} {up:6} ↓ {texts.bits(port.in_bps):>12}  ↑ {texts.bits(port.out_bps):>12}")
    for at, text in found.calls:
        click.echo(f"  # {texts.clock(at)} {text}")
    return 0


@click.group()
def sensors() -> None:
    """Sensors: bins, climate stations and others."""


@sensors.command("list")
@listed
def sensors_list(filter_text: str, sort: str, reverse: bool, as_json: bool) -> None:
    """List sensors. Example: leitstand sensors list 'kind:bin fill>=80' --sort fill --reverse"""
    rows = read_list("sensors", filter_text, sort, reverse)
    if as_json:
        emit([{**row, "reading": json.loads(row["reading"] or "{}")} for row in rows])
        return
    now = now_ms()
    table(
        [
            _("SENSOR"),
            _("NAME"),
            _("KIND"),
            _("DISTRICT"),
            _("STATE"),
            _("FILL"),
            _("BATTERY"),
            _("RSSI dBm"),
            _("GAPS"),
            _("SEEN"),
        ],
        [
            [
                str(row["sensor"]),
                str(row["name"]),
                str(row["kind"]),
                str(row["district"]),
                texts.state(str(row["state"])),
                texts.percent(row["fill"]),
                texts.percent(row["battery"]),
                texts.number(row["rssi"]),
                texts.number(row["gaps"]),
                texts.age(row["seen"], now),
            ]
            for row in rows
        ],
        right=(5, 6, 7, 8, 9),
    )
    say(ngettext("{n} sensor", "{n} sensors", len(rows)).format(n=texts.number(len(rows))))


@sensors.command("show")
@click.argument("sensor_id")
@json_option
@global_options
def sensors_show(sensor_id: str, as_json: bool) -> int:
    """Show one sensor. Example: leitstand sensors show 24e1240000100001"""
    from dataclasses import asdict

    from local_store.views import sensors as view

    with opened() as reader:
        found = reader.read(lambda cx: view.detail(cx, sensor_id))
    if found is None:
        say(_("there is no sensor {name}; `leitstand sensors list` shows them all").format(name=sensor_id))
        return FINDINGS
    if as_json:
        state = (
            None
            if found.state is None
            else {k: v for k, v in asdict(found.state).items() if k not in ("dedup", "reading")}
        )
        declared = None if found.declared is None else asdict(found.declared)
        emit([{"sensor": sensor_id, "declared": declared, "state": state, "reading": dict(found.reading)}])
        return 0
    now = now_ms()
    name = found.declared.name if found.declared else (found.state.name if found.state else sensor_id)
    pairs = [(_("sensor"), f"{sensor_id}  {name}")]
    if found.state is not None:
        pairs += [
            (_("heard"), texts.age(found.state.seen_ms, now)),
            (_("received"), texts.number(found.state.received)),
            (_("missing by counter"), texts.number(found.state.gaps)),
            (_("repeated"), texts.number(found.state.duplicates)),
        ]
    facts(pairs + [(quantity, texts.number(value, 1)) for quantity, value in sorted(found.reading.items())])
    return 0


@click.group()
def alerts() -> None:
    """What needs somebody."""


@alerts.command("list")
@click.option("--all", "everything", is_flag=True, help="closed ones too")
@listed
def alerts_list(filter_text: str, sort: str, reverse: bool, as_json: bool, everything: bool) -> None:
    """List alerts. Example: leitstand alerts list severity:critical"""
    rows = read_list("all_alerts" if everything else "alerts", filter_text, sort or "opened", reverse or not sort)
    if as_json:
        emit([{**row, "detail": json.loads(row["detail"])} for row in rows])
        return
    now = now_ms()
    table(
        [_("ALERT"), _("SEVERITY"), _("WHAT"), _("WHERE"), _("DISTRICT"), _("SINCE"), _("ACKNOWLEDGED")],
        [
            [
                str(row["alert"]),
                texts.state(str(row["severity"])),
                alert_words(str(row["kind"]), json.loads(row["detail"])),
                f"{row['entity']}",
                str(row["district"]),
                texts.age(row["opened"], now),
                f"{row['acked_by']}: {row['reason']}" if row["acked_by"] else "–",
            ]
            for row in rows
        ],
        right=(0, 5),
    )
    say(ngettext("{n} alert", "{n} alerts", len(rows)).format(n=texts.number(len(rows))))


def alert_words(kind: str, detail: dict[str, Any]) -> str:
    """One alert as a short sentence."""
    cause = texts.cause(str(detail.get("cause", "")))
    if kind == "down":
        return _("down: {cause}").format(cause=cause)
    if kind == "degraded":
        return _("impaired: {cause}").format(cause=cause)
    if kind == "silent":
        return _("silent for longer than 1.5 intervals")
    if kind == "failing":
        return _("keeps failing")
    if kind == "full":
        return _("no room for measurements")
    return kind


@alerts.command("ack")
@click.argument("alert_id", type=int)
@click.option("--reason", required=True, help="who does what about it")
@click.option("--hours", type=click.FloatRange(0.1, 24 * 90), default=8.0, show_default=True, help="until when")
@click.option("--actor", default=None, help="your name; the login name otherwise")
@global_options
def alerts_ack(alert_id: int, reason: str, hours: float, actor: str | None) -> None:
    """Acknowledge an alert. Example: leitstand alerts ack 12 --reason 'on my way' --hours 4"""
    import getpass
    import random

    from local_store import intents

    now = now_ms()
    body = {"alert_id": alert_id, "reason": reason, "until_ms": now + int(hours * 3_600_000)}
    grant = intents.WriteGrant(actor or getpass.getuser(), "network", now + 60_000)
    with writable() as store:
        store.ops.write(
            lambda cx: intents.queue(
                cx,
                grant,
                "alert.acknowledge",
                json.dumps(body),
                now_ms=now,
                rng=random.Random(),  # noqa: S311
            )
        )
    say(_("queued; the engine acknowledges alert {n} as soon as it runs").format(n=alert_id))
