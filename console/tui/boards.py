"""The boards of fixed lines: overview, node, sensor, console health. Pure: views in, styled lines out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from console import texts
from console.texts import _
from console.tui.present import alert_words, glyph, plot, state_text
from local_store.views.alerts import Needs
from local_store.views.console_health import Health
from local_store.views.nodes import NodeDetail
from local_store.views.overview import Overview
from local_store.views.sensors import SensorDetail

Part = tuple[str, str]
"""Text and style name."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a board; `opens` is where Enter leads, "" where nowhere."""

    parts: tuple[Part, ...]
    opens: str = ""


def line(*parts: Part | str, opens: str = "") -> Line:
    """Plain texts and styled ones in a row."""
    return Line(tuple((part, "") if isinstance(part, str) else part for part in parts), opens)


def rule(title: str, width: int) -> Line:
    """A heading with a rule to the right edge."""
    head = f" ── {title} "
    return line((head + "─" * max(0, width - len(head) - 1), "dim"))


@dataclass(slots=True)
class Board:
    """Lines as they are put together."""

    lines: list[Line] = field(default_factory=list)

    def add(self, *parts: Part | str, opens: str = "") -> None:
        """One more line."""
        self.lines.append(line(*parts, opens=opens))


def overview(found: Overview, needs: Sequence[Needs], now_ms: int, width: int, size_bytes: int) -> list[Line]:
    """Is the city all right, what needs somebody, what is the console doing."""
    board = Board([rule(_("City"), width)])
    _systems(board, found)
    board.lines.append(rule(_("Needs somebody"), width))
    if not needs:
        board.add("   ", (_("nothing"), "dim"))
    for one in needs:
        what = alert_words(one.kind, json.loads(one.detail))
        name = one.name if one.entity_kind == "sensor" else one.entity_id
        board.add(
            " ",
            (glyph(one.severity), one.severity),
            f" {texts.clock(one.opened_ms)[:5]}  {name:<16} {what:<32}",
            (f"{texts.age(one.opened_ms, now_ms):>8}", "dim"),
            opens=f"{one.entity_kind}:{one.entity_id}",
        )
    board.lines.append(rule(_("Console"), width))
    engine = found.engine
    if engine.alive:
        busy = _("{polls}/s polls   {messages} messages   store {size}   quarantine {held}   outbox {waiting}")
        board.add(
            " ",
            busy.format(
                polls=texts.number(engine.polls_per_s, 0),
                messages=texts.number(engine.messages),
                size=texts.size(size_bytes),
                held=texts.number(found.quarantine),
                waiting=found.outbox,
            ),
        )
    else:
        board.add(" ", (_("no engine is running: data is as old as its ages say"), "warning"))
    return board.lines


def _systems(board: Board, found: Overview) -> None:
    nodes, bins, stations = found.nodes, found.bins, found.stations
    if nodes.known:
        state = "down" if nodes.down else "warning" if nodes.warning else "ok"
        board.add(
            " ", (glyph(state), state), f" {'GEvernetzt':<13}",
            _("{n:>5} nodes").format(n=texts.number(nodes.known)) + f"   {texts.number(nodes.ok):>5} ok   ",
            (f"{nodes.warning:>3} {glyph('warning')}", "warning" if nodes.warning else "dim"), "  ",
            (f"{nodes.down:>3} {glyph('down')}", "down" if nodes.down else "dim"),
            f"   {texts.bits(found.traffic_bps)}", opens="nodes",
        )  # fmt: skip
    else:
        _no_data(board, "GEvernetzt")
    if bins.known:
        board.add(
            " ", (glyph("warning" if bins.silent else "ok"), "warning" if bins.silent else "ok"), f" {'GEsäubert':<13}",
            _("{n:>5} bins").format(n=texts.number(bins.known)) + "   ",
            _("{n:>4} due   {silent:>3} silent").format(n=texts.number(bins.due), silent=texts.number(bins.silent)),
            opens="sensors:kind:bin",
        )  # fmt: skip
    else:
        _no_data(board, "GEsäubert")
    if stations.known:
        state = "warning" if stations.silent else "ok"
        no2 = f"   NO₂ {texts.number(stations.no2_ug_m3)} µg/m³" if stations.no2_ug_m3 is not None else ""
        warm = f"   {texts.number(stations.air_temp_c, 1)} °C" if stations.air_temp_c is not None else ""
        board.add(
            " ", (glyph(state), state), f" {'GEgrünt':<13}",
            _("{n:>5} stations").format(n=texts.number(stations.known))
            + "   " + _("{n} heard").format(n=texts.number(stations.heard)) + no2 + warm,
            opens="sensors:kind:climate",
        )  # fmt: skip
    else:
        _no_data(board, "GEgrünt")
    others = dict(found.others)
    for system, name in (
        ("gebewegt", "GEbewegt"),
        ("gesichert", "GEsichert"),
        ("geinnoviert", "GEinnoviert"),
        ("gebeteiligt", "GEbeteiligt"),
    ):
        if others.get(system):
            board.add(
                " ", (glyph("ok"), "ok"), f" {name:<13}", _("{n:>5} sensors").format(n=texts.number(others[system]))
            )
        else:
            _no_data(board, name)


def _no_data(board: Board, name: str) -> None:
    board.add((f" ○ {name:<13}{_('no data yet'):>12}", "dim"))


def node(
    found: NodeDetail, history: Mapping[str, Sequence[float | None]], now_ms: int, width: int, glyphs: str = "braille"
) -> list[Line]:
    """One node: state, interfaces, who hangs on it, its history, the real calls."""
    state = found.state
    board = Board()
    code = state.state if state else "unknown"
    since = f"  {_('since')} {texts.clock(state.since_ms)} ({texts.age(state.since_ms, now_ms)})" if state else ""
    board.add(" ", (state_text(code, state.cause if state else ""), code), since)
    board.add(
        f" {found.node.name}   {found.node.district}   {found.node.role}   {found.node.address}:{found.node.port}"
    )
    firmware = (state.firmware if state else None) or found.node.firmware or "–"
    up = texts.duration(state.uptime_s) if state else "–"
    board.add(f" {found.node.vendor} {found.node.model}   {_('firmware')} {firmware}   {_('running for')} {up}")
    uplink = found.node.uplink or "–"
    down = sum(1 for _child, of in found.children if of == "down")
    behind = _("{n} behind it").format(n=len(found.children)) + (f", {down} {texts.state('down')}" if down else "")
    board.add(f" {_('uplink')} ", (uplink, "mark"), f"   {behind}", opens=f"node:{uplink}" if found.node.uplink else "")
    _interfaces(board, found, width)
    for name, unit in (("rtt_ms", "ms"), ("load_pct", "%")):
        _history(board, name, unit, history.get(name, ()), width, glyphs)
    board.lines.append(rule(_("Real calls"), width))
    for at, text in found.calls:
        board.add((f" # {texts.clock(at)} {text}"[: width - 1], "dim"))
    if found.events:
        board.lines.append(rule(_("Alerts"), width))
    for at, kind, what, text in found.events[:6]:
        board.add(
            f" {texts.moment(at)}  {alert_words(kind, {}).rstrip(' :'):<14} {event_word(what)} {text}"[: width - 1]
        )
    return board.lines


def _interfaces(board: Board, found: NodeDetail, width: int) -> None:
    board.lines.append(rule(_("Interfaces"), width))
    if not found.interfaces:
        board.add("   ", (_("none known yet"), "dim"))
    for port in found.interfaces:
        sign = {True: "ok", False: "down", None: "unknown"}[port.oper_up]
        word = {True: _("up"), False: _("down"), None: "–"}[port.oper_up]
        speed = f"{port.speed_mbps} Mbit/s" if port.speed_mbps else ""
        board.add(
            " ", (f"{glyph(sign)} {word:<4}", sign),
            f" {port.name:<10} ↓ {texts.bits(port.in_bps):>12}  ↑ {texts.bits(port.out_bps):>12}  {speed:>12}",
        )  # fmt: skip


def _history(board: Board, name: str, unit: str, values: Sequence[float | None], width: int, glyphs: str) -> None:
    known = [value for value in values if value is not None and not math.isnan(value)]
    if not known:
        return
    board.lines.append(
        rule(f"{name}  {texts.number(min(known), 1)}–{texts.number(max(known), 1)} {unit}  (1 h)", width)
    )
    for row in plot([None if v is None or math.isnan(v) else v for v in values], max(10, width - 3), 3, glyphs):
        board.add(" ", (row, "ok"))


def event_word(what: str) -> str:
    """What happened to an alert."""
    return {
        "opened": _("opened"),
        "closed": _("closed"),
        "acked": _("acknowledged"),
        "ack_expired": _("acknowledgement over"),
        "severity": _("now"),
    }.get(what, what)


def sensor(
    found: SensorDetail, history: Mapping[str, Sequence[float | None]], now_ms: int, width: int, glyphs: str = "braille"
) -> list[Line]:
    """One sensor: readings, radio, counters, events."""
    board = Board()
    state, declared = found.state, found.declared
    name = declared.name if declared else (state.name if state else found.sensor_id)
    place = f"   {declared.district}" if declared else ""
    board.add(f" {name}   {found.sensor_id}{place}")
    if state is None:
        board.add(" ", (_("never heard"), "warning"))
        return board.lines
    battery = f"{_('battery')} {texts.percent(state.battery_pct)}"
    board.add(f" {_('heard')} {texts.age(state.seen_ms, now_ms)}   {state.profile}   {battery}")
    radio = f"RSSI {texts.number(state.rssi_dbm)} dBm   SNR {texts.number(state.snr_db, 1)} dB"
    board.add(f" {radio}   SF {texts.number(state.sf)}   {_('gateways')} {texts.number(state.gateways)}")
    board.add(
        f" {_('received')} {texts.number(state.received)}   {_('missing by counter')} {texts.number(state.gaps)}"
        f"   {_('repeated')} {texts.number(state.duplicates)}"
    )
    board.lines.append(rule(_("Readings"), width))
    for quantity, value in sorted(found.reading.items()):
        board.add(f" {quantity:<16} {texts.number(value, 1):>10}")
    for quantity, values in history.items():
        _history(board, quantity, "", values, width, glyphs)
    board.lines.append(rule(_("Events"), width))
    for event in found.events[:8]:
        board.add((f" {texts.moment(event.at_ms)} {event.kind} {event.body}"[: width - 1], "dim"))
    return board.lines


def health(found: Health, now_ms: int, width: int, size_bytes: int, encrypted: bool) -> list[Line]:
    """The console itself."""
    board = Board([rule(_("Engine"), width)])
    engine = found.engine
    if engine is None:
        board.add(" ", (_("never ran on this store"), "warning"))
    else:
        alive = engine.is_fresh(now_ms)
        word = _("running") if alive else _("not running")
        sign = "ok" if alive else "down"
        began = f"   pid {engine.pid}   {_('since')} {texts.moment(engine.started_ms)}"
        board.add(" ", (f"{glyph(sign)} {word}", sign), f"{began}   {_('beat')} {texts.age(engine.beat_ms, now_ms)}")
    board.lines.append(rule(_("Services"), width))
    for one in found.services:
        sign = {"running": "ok", "stopped": "unknown"}.get(one.state, "warning")
        board.add(
            " ", (f"{glyph(sign)} {service_word(one.state):<10}", sign),
            f" {one.name:<18} {_details(one.detail)}"[: width - 16],
        )  # fmt: skip
    board.lines.append(rule(_("Store"), width))
    words = _("encrypted") if encrypted else _("not encrypted")
    board.add(f" {texts.size(size_bytes)}   ", (words, "ok" if encrypted else "warning"))
    for name, value in found.counts.items():
        board.add(f" {name:<18} {texts.number(value):>14}")
    return board.lines


def service_word(state: str) -> str:
    """The word for a service's state."""
    return {
        "running": _("running"),
        "retrying": _("retrying"),
        "starting": _("starting"),
        "stopped": _("stopped"),
    }.get(state, state)


def _details(detail: Mapping[str, Any]) -> str:
    """An error first, then the counters that are not zero."""
    error = detail.get("error") or detail.get("broker_error") or detail.get("blocked") or detail.get("store_full")
    if error:
        return str(error)
    return "  ".join(f"{name} {value}" for name, value in detail.items() if isinstance(value, int | float) and value)
