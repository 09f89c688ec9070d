"""The boards of the whole: the city at a glance, and the console itself. Pure: views in, styled lines out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from rich.cells import cell_len

from console import texts
from console.alert_texts import alert_words
from console.texts import _, ngettext
from console.tui import service_boards
from console.tui.lines import PARTS, Board, Line, Part, rule, shortened, what_fits, wrapped
from console.tui.present import glyph
from console.tui.present_lists import alert_name, alert_opens
from local_store.views.alerts import Needs
from local_store.views.console_health import Health
from local_store.views.overview import Overview

WIDE: Final = 76
"""From so many columns on the number of the process is told."""


def overview(
    found: Overview,
    needs: Sequence[Needs],
    now_ms: int,
    width: int,
    size_bytes: int,
    *,
    ascii_only: bool = False,
    past: bool = False,
) -> list[Line]:
    """Is the city all right, what needs somebody, what is the console doing."""
    board = Board([rule(_("City"), width)])
    _systems(board, found, width, ascii_only)
    board.lines.append(rule(_("Needs somebody"), width))
    if not needs:
        board.add("   ", (_("nothing"), "dim"))
    for one in needs:
        _need(board, one, now_ms, width, ascii_only)
    board.lines.append(rule(_("Console"), width))
    engine = found.engine
    if past:
        board.add(" ", (_("what the console did then is not stored"), "dim"))
    elif engine.alive:
        busy = _("{polls}/s polls   {messages} messages   store {size}   quarantine {held}   outbox {waiting}")
        told = busy.format(
            polls=texts.number(engine.polls_per_s, 0),
            messages=texts.number(engine.messages),
            size=texts.size(size_bytes),
            held=texts.number(found.quarantine),
            waiting=found.outbox,
        )
        for row in wrapped(told, width - 2, PARTS):
            board.add(f" {row}")
    else:
        told = _("no engine is running: data is as old as its ages say; `leitstand collect` starts one")
        for row in wrapped(told, width - 2):
            board.add((f" {row}", "warning"))
    return board.lines


def _need(board: Board, one: Needs, now_ms: int, width: int, ascii_only: bool) -> None:
    """Sign, since when, who, what, and how long ago at the right edge."""
    name = alert_name(one.entity_kind, one.entity_id, one.name)
    sign = glyph(one.severity, ascii_only)
    age = texts.age(one.opened_ms, now_ms)
    told = f" {texts.clock(one.opened_ms)[:5]}  {name:<16} {alert_words(one.kind, json.loads(one.detail))}"
    text = shortened(told, width - 3 - cell_len(sign) - cell_len(age))
    gap = " " * (width - 2 - cell_len(sign) - cell_len(text) - cell_len(age))
    opens = alert_opens(one.entity_kind, one.entity_id)
    board.add(" ", (sign, one.severity), text, gap, (age, "dim"), opens=opens)


def _systems(board: Board, found: Overview, width: int, ascii_only: bool) -> None:
    nodes, bins, stations = found.nodes, found.bins, found.stations
    draw = partial(_system, board, width, ascii_only)
    unseen = nodes.unreachable + nodes.unknown
    facts: list[Part] = [
        (f"{texts.number(nodes.ok):>5} ok", ""),
        (f"{texts.number(nodes.warning):>5} {glyph('warning', ascii_only)}", _lit(nodes.warning, "warning")),
        (f"{texts.number(nodes.down):>5} {glyph('down', ascii_only)}", _lit(nodes.down, "down")),
        (f"{texts.number(unseen):>5} {glyph('unknown', ascii_only)}", _lit(unseen, "unreachable")),
        (f"{texts.bits(found.traffic_bps):>15}", ""),
    ]
    state = "down" if nodes.down else "warning" if nodes.warning else "ok" if nodes.ok else "unknown"
    draw("GEvernetzt", state, nodes.known, ngettext("node", "nodes", nodes.known), facts, "nodes")
    facts = [_fact(bins.due, _("due")), _fact(bins.silent, _("silent"))]
    state = "warning" if bins.silent else "ok"
    draw("GEsäubert", state, bins.known, ngettext("bin", "bins", bins.known), facts, "sensors:kind:bin")
    facts = [_fact(stations.heard, _("active")), _fact(stations.silent, _("silent"))]
    if stations.no2_ug_m3 is not None:
        facts.append((f"NO₂ {texts.number(stations.no2_ug_m3)} µg/m³", ""))
    if stations.air_temp_c is not None:
        facts.append((f"  {texts.number(stations.air_temp_c, 0)} °C", ""))
    state = "warning" if stations.silent else "ok"
    word = ngettext("station", "stations", stations.known)
    draw("GEgrünt", state, stations.known, word, facts, "sensors:kind:climate")
    others = dict(found.others)
    for name in ("GEbewegt", "GEsichert", "GEinnoviert", "GEbeteiligt"):
        count = others.get(name.lower(), 0)
        draw(name, "ok", count, ngettext("sensor", "sensors", count), (), f"sensors:system:{name.lower()}")


def _system(
    board: Board,
    width: int,
    ascii_only: bool,
    name: str,
    state: str,
    count: int,
    word: str,
    facts: Sequence[Part],
    opens: str,
) -> None:
    """Sign, name, how many of what, and its facts, each below the one above; without any it leads nowhere."""
    if not count:
        board.add((f" {glyph('unknown', ascii_only)} {name:<12}{'–':>6} {_('no data yet')}", "dim"))
        return
    sign = glyph(state, ascii_only)
    head = f" {name:<12}{texts.number(count):>6} {word:<11}"
    board.add(" ", (sign, state), head, *what_fits(facts, width - 2 - cell_len(sign + head)), opens=opens)


def _fact(count: int, word: str) -> Part:
    return f"{texts.number(count):>5} {word:<7}", ""


def _lit(count: int, style: str) -> str:
    return style if count else "dim"


def health(
    found: Health, now_ms: int, width: int, size_bytes: int, encrypted: bool, ascii_only: bool = False
) -> list[Line]:
    """The console itself."""
    board = Board([rule(_("Engine"), width)])
    engine = found.engine
    if engine is None:
        for row in wrapped(_("never ran on this store; `leitstand collect` starts it"), width - 2):
            board.add((f" {row}", "warning"))
    else:
        alive = engine.is_fresh(now_ms)
        word = _("running") if alive else _("not running")
        sign = "ok" if alive else "down"
        pid = f"   pid {engine.pid}" if width >= WIDE else ""
        began = f"{pid}   {_('since')} {texts.moment(engine.started_ms)}"
        beat = f"   {_('beat')} {texts.age(engine.beat_ms, now_ms)}"
        board.add(" ", (f"{glyph(sign, ascii_only)} {word}", sign), f"{began}{beat}")
    board.lines.append(rule(_("Services"), width))
    for one in service_boards.as_they_are(found, now_ms):
        board.add(*service_boards.service_line(one, now_ms, width, ascii_only), opens=f"service:{one.name}")
    if not found.services:
        board.add("   ", (_("none has run yet: they begin with the engine"), "dim"))
    board.lines.append(rule(_("Store"), width))
    words = _("encrypted") if encrypted else _("not encrypted")
    board.add(f" {texts.size(size_bytes)}   ", (words, "ok" if encrypted else "warning"))
    _counts(board, found.counts, width)
    return board.lines


def _counts(board: Board, counts: Mapping[str, int], width: int) -> None:
    """As many columns of counts as fit."""
    shown = [
        f" {count_word(name):<22} {texts.size(value) if name.endswith('_bytes') else texts.number(value):>12}  "
        for name, value in counts.items()
    ]
    beside = max(1, width // 39)
    deep = -(-len(shown) // beside)
    for at in range(deep):
        board.add("".join(shown[at::deep]).rstrip())


def count_word(name: str) -> str:
    """What is counted in the store."""
    return {
        "nodes": _("nodes"),
        "sensors": _("sensors"),
        "series": _("series"),
        "tail_samples": _("samples in the tail"),
        "bundle_samples": _("samples in bundles"),
        "chunk_samples": _("samples in chunks"),
        "chunks": _("chunks"),
        "rollups": _("roll-ups"),
        "quarantine": _("quarantine"),
        "damaged": _("damaged rows set aside"),
        "alerts_open": _("open alerts"),
        "intents_queued": _("waiting in the outbox"),
        "ops_bytes": _("operations"),
        "ops_free_bytes": _("free in operations"),
        "telemetry_free_bytes": _("free in measurements"),
        "telemetry_bytes": _("measurements"),
    }.get(name, name)
