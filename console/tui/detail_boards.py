"""The boards of one thing: a node, a sensor, and the few lines of either below a list. Pure: views in, lines out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from console import texts
from console.alert_texts import alert_words, impact, taken_down
from console.texts import _
from console.tui.lines import Board, Line, Part, rule
from console.tui.present import glyph, plot, state_text
from local_store.records import SensorState
from local_store.views.nodes import NodeDetail
from local_store.views.sensors import SensorDetail

WIDE: Final = 76
"""From so many columns on an interface shows its speed."""


def node(
    found: NodeDetail, history: Mapping[str, Sequence[float | None]], now_ms: int, width: int, glyphs: str = "braille"
) -> list[Line]:
    """One node: state, interfaces, who hangs on it, its history, the real calls."""
    board = Board()
    ascii_only = glyphs == "ascii"
    board.flow(_state(found, now_ms, ascii_only), width)
    for kind, severity, facts in found.wrong:
        detail = json.loads(facts)
        if impact(detail):
            board.tell(" ", alert_words(kind, detail), width, severity)
        if taken_down(detail):
            board.tell(" ", taken_down(detail), width, "dim")
    address = f"{found.node.address}:{found.node.port}"
    board.flow([found.node.name, found.node.district, texts.node_role(found.node.role), address], width)
    board.flow(_device(found), width)
    uplink = found.node.uplink or "–"
    opens = f"node:{uplink}" if found.node.uplink else ""
    board.add(f" {_('uplink')} ", (uplink, "mark"), f"   {_behind(found)}", opens=opens)
    _interfaces(board, found, width, ascii_only)
    for name in ("rtt_ms", "load_pct"):
        _history(board, name, history.get(name, ()), width, glyphs)
    board.lines.append(rule(_("Real calls"), width))
    if not found.calls:
        board.add("   ", (_("none known yet: they come with the next poll"), "dim"))
    for at, text in found.calls:
        board.tell(f" # {texts.clock(at)} ", text, width, "dim")
    if found.events:
        board.lines.append(rule(_("Alerts"), width))
    for at, kind, what, text in found.events[:6]:
        told = texts.state(text) if what in ("opened", "severity") else text
        word = alert_words(kind, {}).rstrip(" :")
        board.tell(f" {texts.moment(at)}  {word:<14} ", f"{event_word(what)} {told}".rstrip(), width)
    return board.lines


def _state(found: NodeDetail, now_ms: int, ascii_only: bool) -> list[Part]:
    state = found.state
    code = state.state if state else "unknown"
    parts: list[Part] = [(state_text(code, state.cause if state else "", ascii_only), code)]
    if state and state.since_ms:
        parts.append((f"{_('since')} {texts.clock(state.since_ms)} ({texts.age(state.since_ms, now_ms)})", ""))
    if state and state.seen_ms:
        parts.append((_("answered {age} ago").format(age=texts.age(state.seen_ms, now_ms)), "dim"))
    return parts


def _device(found: NodeDetail) -> list[str]:
    state = found.state
    firmware = (state.firmware if state else None) or found.node.firmware or "–"
    up = texts.duration(state.uptime_s) if state else "–"
    what = f"{found.node.vendor} {found.node.model}".strip() or "–"
    served = "" if state is None or state.clients is None else f"{_('clients')} {state.clients}"
    return [what, f"{_('firmware')} {firmware}", f"{_('running for')} {up}", served]


def _behind(found: NodeDetail) -> str:
    down = sum(1 for _child, of in found.children if of == "down")
    return _("{n} behind it").format(n=len(found.children)) + (f", {down} {texts.state('down')}" if down else "")


def node_pane(found: NodeDetail, now_ms: int, width: int, ascii_only: bool) -> list[Line]:
    """The node under the cursor of a list: state, device, what hangs on it, its last real call."""
    board = Board([rule(f"{found.node.node_id}  {found.node.name}, {found.node.district}", width)])
    board.flow(_state(found, now_ms, ascii_only), width)
    board.flow(_device(found), width)
    board.add(f" {_('uplink')} {found.node.uplink or '–'}   {_behind(found)}")
    at, text = found.calls[-1] if found.calls else (None, _("no call known yet"))
    board.add((f" # {texts.clock(at)} {text}", "dim"))
    return board.lines


def sensor_pane(found: SensorDetail, now_ms: int, width: int, ascii_only: bool) -> list[Line]:
    """The sensor under the cursor of a list: readings, radio, counters."""
    name = found.declared.name if found.declared else (found.state.name if found.state else found.sensor_id)
    place = f", {found.declared.district}" if found.declared and found.declared.district else ""
    board = Board([rule(f"{name}{place}", width)])
    if found.state is None:
        board.add(" ", (f"{glyph('unknown', ascii_only)} {_('never heard')}", "unknown"))
        return board.lines
    board.flow([" ".join(_reading(what, value)) for what, value in sorted(found.reading.items())], width)
    board.flow(_radio(found.state, now_ms), width)
    board.flow(_counters(found.state), width)
    return board.lines


def _radio(state: SensorState, now_ms: int) -> list[str]:
    return [
        _("heard {age} ago").format(age=texts.age(state.seen_ms, now_ms)),
        f"RSSI {texts.number(state.rssi_dbm)} dBm",
        f"SNR {texts.number(state.snr_db, 1)} dB",
        f"SF {texts.number(state.sf)}",
        f"{_('gateways')} {texts.number(state.gateways)}",
    ]


def _reading(quantity: str, value: float) -> tuple[str, str]:
    """What was measured in words, and how much with its unit."""
    word, unit = texts.quantity(quantity)
    return word, f"{texts.number(value, 1)} {unit}".rstrip()


def _counters(state: SensorState) -> list[str]:
    return [
        f"{_('received')} {texts.number(state.received)}",
        f"{_('missing by counter')} {texts.number(state.gaps)}",
        f"{_('repeated')} {texts.number(state.duplicates)}",
    ]


def _interfaces(board: Board, found: NodeDetail, width: int, ascii_only: bool) -> None:
    board.lines.append(rule(_("Interfaces"), width))
    if not found.interfaces:
        board.add("   ", (_("none known yet: they come with the next poll"), "dim"))
    longest = max([10, *(len(port.name) for port in found.interfaces)])
    for port in found.interfaces:
        sign = {True: "ok", False: "down", None: "unknown"}[port.oper_up]
        word = {True: _("up"), False: _("down"), None: "–"}[port.oper_up]
        speed = f"{port.speed_mbps} Mbit/s" if port.speed_mbps and width >= WIDE else ""
        board.add(
            " ", (f"{glyph(sign, ascii_only)} {word:<4}", sign),
            f" {port.name:<{longest}} ↓ {texts.bits(port.in_bps):>12}  ↑ {texts.bits(port.out_bps):>12}  {speed:>12}",
        )  # fmt: skip


def _history(board: Board, name: str, values: Sequence[float | None], width: int, glyphs: str) -> None:
    known = [value for value in values if value is not None and not math.isnan(value)]
    if not known:
        return
    word, unit = texts.quantity(name)
    span = f"{texts.number(min(known), 1)}–{texts.number(max(known), 1)} {unit}".rstrip()
    board.lines.append(rule(f"{word}  {span}  (1 h)", width))
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


def device_event(kind: str, body: Mapping[str, Any]) -> str:
    """What a device or its network server said beside measurements."""
    words = {
        "join": _("joined the network"),
        "status": _("status"),
        "ack": _("confirmed what was sent to it"),
        "txack": _("was sent something"),
        "log": _("its server says"),
        "location": _("located"),
    }
    told = " ".join(str(body[name]) for name in ("level", "code", "description", "dev_addr") if body.get(name))
    if body.get("battery_pct") is not None:
        told = f"{_('battery')} {texts.percent(body['battery_pct'])}"
    return f"{words.get(kind, kind)}{': ' if told else ''}{told}"


def sensor(
    found: SensorDetail, history: Mapping[str, Sequence[float | None]], now_ms: int, width: int, glyphs: str = "braille"
) -> list[Line]:
    """One sensor: readings, radio, counters, events."""
    board = Board()
    state, declared = found.state, found.declared
    name = declared.name if declared else (state.name if state else found.sensor_id)
    board.flow([name, found.sensor_id, declared.district if declared else ""], width)
    if state is None:
        board.add(" ", (_("never heard"), "warning"))
        return board.lines
    board.flow([state.profile, f"{_('battery')} {texts.percent(state.battery_pct)}"], width)
    board.flow(_radio(state, now_ms), width)
    board.flow(_counters(state), width)
    board.lines.append(rule(_("Readings"), width))
    for quantity, value in sorted(found.reading.items()):
        word, number = _reading(quantity, value)
        board.add(f" {word:<20} {number:>14}")
    for quantity, values in history.items():
        _history(board, quantity, values, width, glyphs)
    if found.events:
        board.lines.append(rule(_("Events"), width))
    for event in found.events[:8]:
        told = device_event(event.kind, json.loads(event.body or "{}"))
        board.tell(f" {texts.moment(event.at_ms)}  ", told, width, "dim")
    return board.lines
