"""Which screens there are, one line each: the key, the command, the aliases and the target all follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from console.texts import _
from console.tui.config_view import ConfigList, ConfigPlace
from console.tui.list_kinds import AlertList, Calls, NodeList, Outbox, SensorList
from console.tui.mesh_places import MapPlace, TreePlace
from console.tui.provision_view import ProvisionPlace
from console.tui.rollout_view import RolloutList, RolloutNodePlace, RolloutPlace
from console.tui.screens import HealthPlace, NodePlace, OverviewPlace, Place, SensorPlace, ServicePlace


@dataclass(frozen=True, slots=True)
class Way:
    """A way to a screen. `make` gets what stands behind the name in a target: a filter, an id, or nothing."""

    make: Callable[[str], Place]
    title: Callable[[], str]
    key: str = ""
    """As Textual names it."""
    aliases: tuple[str, ...] = ()
    of_one: bool = False
    """Shows one thing: without its id there is nothing to open, and no command without it."""


WAYS: Final[Mapping[str, Way]] = {
    "overview": Way(lambda _rest: OverviewPlace(), lambda: _("overview"), "1", ("übersicht",)),
    "nodes": Way(NodeList, lambda: _("nodes"), "2", ("knoten",)),
    "sensors": Way(SensorList, lambda: _("sensors"), "3", ("sensoren",)),
    "alerts": Way(AlertList, lambda: _("alerts"), "4", ("alarme",)),
    "health": Way(lambda _rest: HealthPlace(), lambda: _("console"), "5", ("console", "konsole")),
    "mesh": Way(lambda _rest: TreePlace(), lambda: _("mesh"), "6", ("topology", "netz")),
    "map": Way(lambda _rest: MapPlace(), lambda: _("map"), "m", ("karte",)),
    "rollouts": Way(RolloutList, lambda: _("rollouts"), "7", ("ausrollen",)),
    "configs": Way(ConfigList, lambda: _("configurations"), "8", ("konfigurationen",)),
    "provision": Way(ProvisionPlace, lambda: _("new nodes"), "9", ("einrichten",)),
    "outbox": Way(Outbox, lambda: _("outbox"), "o", ("ablage",)),
    "calls": Way(Calls, lambda: _("calls"), "number_sign", ("aufrufe",)),
    "node": Way(NodePlace, lambda: _("one node"), of_one=True),
    "sensor": Way(SensorPlace, lambda: _("one sensor"), of_one=True),
    "config": Way(ConfigPlace, lambda: _("one configuration"), of_one=True),
    "service": Way(ServicePlace, lambda: _("one service"), of_one=True),
    "rollout": Way(RolloutPlace, lambda: _("one rollout"), of_one=True),
    "rolloutnode": Way(RolloutNodePlace, lambda: _("one node of a rollout"), of_one=True),
}
"""The first is where every way begins."""


def split(text: str, separator: str = ":") -> tuple[str, str]:
    """A target or a typed command as the screen's name and the rest; the name is "" when nobody knows it."""
    head, _sep, rest = text.strip().partition(separator)
    known = {alias: name for name, way in WAYS.items() for alias in (name, *way.aliases)}
    return known.get(head.lower(), ""), rest.strip()


def key_sign(key: str) -> str:
    """How a key is written for people."""
    return {"number_sign": "#"}.get(key, key)
