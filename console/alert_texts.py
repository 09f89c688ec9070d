"""What an alert says to people: its cause and what it takes down with it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from console import texts
from console.texts import _, ngettext

SYSTEMS = {
    "gesaeubert": "GEsäubert",
    "gegruent": "GEgrünt",
    "gebewegt": "GEbewegt",
    "gesichert": "GEsichert",
    "gevernetzt": "GEvernetzt",
    "gebeteiligt": "GEbeteiligt",
}


def alert_words(kind: str, detail: Mapping[str, Any]) -> str:
    """One alert as a short sentence."""
    others = {
        "silent": _("silent"),
        "failing": _("keeps failing"),
        "full": _("no room for measurements"),
        "damaged": _("damaged measurements set aside: `leitstand store damaged list`"),
    }
    return _mesh_words(kind, detail) or others.get(kind, kind)


def _mesh_words(kind: str, detail: Mapping[str, Any]) -> str | None:
    """The sentence for a node's, a link's or a shared alert; None for alerts that are none of these."""
    cause = texts.cause(str(detail.get("cause", "")))
    if kind == "down" and "band" in detail:
        return _("link down: {a} - {b} ({band})").format(**_ends(detail))
    if kind == "flapping" and "band" in detail:
        return _("link keeps changing: {a} - {b} ({band})").format(**_ends(detail))
    if kind == "down":
        return "; ".join(part for part in (_("down: {cause}").format(cause=cause), impact(detail)) if part)
    if kind == "cut_off":
        causes = ", ".join(map(str, detail.get("causes", ())))
        text = _("cut off by {causes} together").format(causes=causes)
        return "; ".join(part for part in (text, impact(detail)) if part)
    if kind == "degraded":
        return _("impaired: {cause}").format(cause=cause)
    return None


def impact(detail: Mapping[str, Any]) -> str:
    """What an alert takes down, as half a sentence; "" when nothing."""
    nodes, sensors = int(detail.get("nodes", 0)), int(detail.get("sensors", 0))
    parts = []
    if nodes:
        parts.append(ngettext("{n} node", "{n} nodes", nodes).format(n=texts.number(nodes)))
    if sensors:
        text = ngettext("{n} sensor", "{n} sensors", sensors).format(n=texts.number(sensors))
        systems = ", ".join(SYSTEMS.get(str(one), str(one)) for one in detail.get("systems", ()))
        parts.append(f"{text} ({systems})" if systems else text)
    return _("unreachable: {what}").format(what=", ".join(parts)) if parts else ""


def taken_down(detail: Mapping[str, Any]) -> str:
    """The nodes and LoRaWAN gateways an alert takes down, by name; "" when none."""
    named = [str(one) for one in detail.get("takes_down", ())]
    more = "" if int(detail.get("nodes", 0)) <= len(named) else " …"
    parts = [_("takes down {nodes}").format(nodes=", ".join(named)) + more] if named else []
    towers = ", ".join(map(str, detail.get("lorawan_gateways", ())))
    return "; ".join([*parts, *([_("LoRaWAN gateways {names}").format(names=towers)] if towers else [])])


def _ends(detail: Mapping[str, Any]) -> dict[str, str]:
    ends = {name: str(detail.get(name, "")) for name in ("a", "b")}
    return {**ends, "band": texts.band(str(detail.get("band", "")))}


def link_turn(what: str) -> str:
    """What happened to a link."""
    words = {
        "appeared": _("found"),
        "up": _("up"),
        "down": _("down"),
        "flapping": _("keeps changing"),
        "gone": _("forgotten, unheard for a week"),
    }
    return words.get(what, what)
