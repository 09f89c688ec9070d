"""The command that says in lines what the first screen shows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from console import texts
from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, opened
from console.cli.render import emit, facts
from console.clock import now_ms
from console.texts import _, ngettext
from local_store.views.overview import MeshCounts, Overview, overview

OTHERS = {
    "gebewegt": "GEbewegt",
    "gesichert": "GEsichert",
    "geinnoviert": "GEinnoviert",
    "gebeteiligt": "GEbeteiligt",
}


@words.command()
@json_option
@global_options
def status(as_json: bool) -> int:
    """The city in a few lines. Example: leitstand status --json"""
    now = now_ms()
    with opened() as reader:
        found = reader.read(lambda cx: overview(cx, now))
    if as_json:
        mesh = {**asdict(found.mesh), "odd": dict(found.mesh.odd)}
        emit([{**asdict(found), "others": dict(found.others), "mesh": mesh}])
    else:
        facts([*_city(found), *_console(found, now)])
    return FINDINGS if found.nodes.down or not found.engine.alive else 0


def _city(found: Overview) -> list[tuple[str, str]]:
    """One line a system; one without data says so."""
    nodes = ngettext(
        "{known} node: {ok} ok, {warning} warning, {down} down, {unreachable} unreachable, {unknown} unknown",
        "{known} nodes: {ok} ok, {warning} warning, {down} down, {unreachable} unreachable, {unknown} unknown",
        found.nodes.known,
    )
    bins = ngettext(
        "{known} bin: {due} due, {silent} silent", "{known} bins: {due} due, {silent} silent", found.bins.known
    )
    stations = ngettext(
        "{known} station: {heard} heard, {silent} silent",
        "{known} stations: {heard} heard, {silent} silent",
        found.stations.known,
    )
    traffic = f"  {texts.bits(found.traffic_bps)}" if found.traffic_bps is not None else ""
    lines = [
        ("GEvernetzt", _filled(nodes, found.nodes) + traffic),
        ("GEsäubert", _filled(bins, found.bins)),
        ("GEgrünt", _filled(stations, found.stations)),
    ]
    declared = dict(found.others)
    for system, name in OTHERS.items():
        count = declared.get(system, 0)
        known = ngettext("{n} sensor", "{n} sensors", count).format(n=texts.number(count))
        lines.append((name, known if count else _("no data yet")))
    return lines


def _filled(text: str, facts_of: Any) -> str:
    values: dict[str, Any] = asdict(facts_of)
    if not values["known"]:
        return _("no data yet")
    return text.format(**{name: texts.number(value) for name, value in values.items()})


def _console(found: Overview, now: int) -> list[tuple[str, str]]:
    engine = found.engine
    if engine.alive:
        running = _("running, {n} polls a second").format(n=texts.number(engine.polls_per_s))
    else:
        last = texts.age(engine.beat_ms or None, now)
        running = _("not running") + (f" ({_('last beat {age} ago').format(age=last)})" if engine.beat_ms else "")
    counts = {"open": texts.number(found.open_alerts), "acked": texts.number(found.acked_alerts)}
    return [
        (_("alerts"), _("{open} open, {acked} of them acknowledged").format(**counts)),
        (_("engine"), running),
        *((f"  {name}", _service(state)) for name, state in engine.services if engine.alive and state != "running"),
        *_mesh(found.mesh),
        (_("quarantine"), texts.number(found.quarantine)),
        (_("waiting for the engine"), texts.number(found.outbox)),
    ]


def _mesh(found: MeshCounts) -> list[tuple[str, str]]:
    """What the mesh service knows, and which nodes it does not understand."""
    counts = {"links": texts.number(found.links), "unknown": texts.number(found.unknown_ends)}
    lines = [(_("mesh"), _("{links} links, {unknown} far ends nobody knows").format(**counts))]
    for node, count in found.odd:
        text = ngettext("{n} row of its tables makes no sense", "{n} rows of its tables make no sense", count)
        lines.append((f"  {node}", text.format(n=texts.number(count))))
    if rest := found.odd_rows - sum(count for _node, count in found.odd):
        text = ngettext("{n} more odd row at other nodes", "{n} more odd rows at other nodes", rest)
        lines.append(("", text.format(n=texts.number(rest))))
    for one in found.not_understood:
        node, _colon, why = one.partition(": ")
        lines.append((f"  {node}", _("neighbours not told: {why}").format(why=why)))
    return lines if found.links or len(lines) > 1 else []


def _service(state: str) -> str:
    return {"starting": _("starting"), "retrying": _("failed, trying again"), "stopped": _("stopped")}.get(state, state)
