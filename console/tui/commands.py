"""What can be typed behind `:`, and the keys that hold on every screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console import texts
from console.texts import _
from console.tui import registry
from console.tui.dialogs import Choice

if TYPE_CHECKING:
    from console.tui.app import Leitstand


def choices() -> list[Choice]:
    """Every command by its words."""
    ways = [(name, way.title()) for name, way in registry.WAYS.items() if not way.of_one]
    return [
        *ways,
        ("nodes:!ok", _("nodes that are not ok")),
        ("sensors:kind:bin fill>=80", _("bins that are due")),
        ("sensors:kind:climate", _("climate stations")),
        ("lang:de", "Deutsch"),
        ("lang:en", "English"),
        ("quit", _("quit")),
    ]


def typed(text: str) -> str | None:
    """A command written out, such as `nodes district:buer`, as its target; None when it begins with no known name."""
    name, rest = registry.split(text, " ")
    if name and rest:
        return f"{name}:{rest}"
    return None


def carry_out(app: Leitstand, chosen: str) -> None:
    """Do what was chosen."""
    if chosen == "quit":
        app.exit()
    elif chosen.startswith("lang:"):
        texts.set_language(chosen.removeprefix("lang:"))
        app.open_target("overview")
    else:
        app.open_target(chosen)


def everywhere() -> list[tuple[str, str]]:
    """The keys of every screen."""
    ways = [(registry.key_sign(way.key), way.title()) for way in registry.WAYS.values() if way.key]
    return [
        *ways,
        (":", _("command")),
        ("Esc -", _("back")),
        ("↑ ↓ j k g G", _("move")),
        ("< > R", _("sort by another column, reverse")),
        ("w", _("all columns")),
        ("␣", _("mark a row")),
        ("p", _("pause this view")),
        ("!", _("arm writing for ten minutes")),
        ("q", _("back, at the end quit")),
    ]
