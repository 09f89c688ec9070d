"""The three roles: where each begins and what its overview offers. What each may write stands in the gate. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from console.texts import _
from local_store.intents import Role


@dataclass(frozen=True, slots=True)
class RoleView:
    """How the console looks to one role: its first screen, and the screens in the overview's bottom line."""

    title: Callable[[], str]
    start: str
    ways: tuple[str, ...]
    aliases: tuple[str, ...]


ROLES: Final[Mapping[Role, RoleView]] = {
    "network": RoleView(lambda: _("Network"), "overview", ("nodes", "sensors", "alerts", "calls"), ("netz", "network")),
    "dispatch": RoleView(
        lambda: _("Dispatch"), "sensors:kind:bin", ("sensors", "alerts", "outbox"), ("dispo", "dispatch")
    ),
    "field": RoleView(lambda: _("Field"), "alerts", ("nodes", "alerts", "outbox"), ("feld", "field")),
}


def named(word: str) -> Role | None:
    """The role with this name in either language."""
    return next((role for role, view in ROLES.items() if word.lower() in view.aliases), None)
