"""The console's screens as one app: navigation, the write gate's key, the bell of the store."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from console import texts
from console.clock import now_ms as wall_clock_ms
from console.texts import _
from console.tui import commands, registry
from console.tui.dialogs import Pick
from console.tui.feed import Feed, actor
from console.tui.lines import Part
from console.tui.list_place import ListPlace
from console.tui.screens import OverviewPlace, Place
from console.tui.typed_ahead import TypedAhead
from local_store import intents, lease
from local_store.errors import StoreError

ARMED_MS = 600_000
LOOK_S = 0.1
LOOK_SSH_S = 0.5
START = {"network": "overview", "dispatch": "sensors:kind:bin", "field": "alerts"}


@dataclass(frozen=True, slots=True)
class Settings:
    """How the screens begin."""

    role: intents.Role = "network"
    theme: str = "auto"
    glyphs: str = "braille"
    encrypted: bool = True
    now_ms: Callable[[], int] = field(default=wall_clock_ms)


class Leitstand(TypedAhead):
    """Read-only until armed; every write passes the gate in the store."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(way.key, f"open('{name}')", show=False) for name, way in registry.WAYS.items() if way.key),
        Binding("colon", "command", show=False),
        Binding("question_mark", "help", show=False),
        Binding("escape,minus", "step_back", show=False),
        Binding("exclamation_mark", "arm", show=False),
        Binding("q", "leave", show=False),
    ]

    def __init__(self, directory: Path, key: bytes | None, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.feed = Feed(directory, key, settings.now_ms)
        self.ascii_only = settings.glyphs == "ascii"
        self.armed_until_ms: int | None = None
        self.theme = pick_theme(settings.theme)

    def on_mount(self) -> None:
        """Show the role's first screen and begin to listen for the bell."""
        self.open_target("overview")
        start = START[self.settings.role]
        if start != "overview":
            self.open_target(start)
        self.set_interval(LOOK_SSH_S if os.environ.get("SSH_CONNECTION") else LOOK_S, self.look)
        self.set_interval(1.0, self.second)

    def look(self) -> None:
        """Repaint what the last commits changed, if the bell rang."""
        place = self.screen
        if isinstance(place, Place) and place.ready and self.feed.rang():
            place.update()

    def second(self) -> None:
        """Clock, ages, order."""
        place = self.screen
        if not isinstance(place, Place) or not place.ready:
            return
        if isinstance(place, ListPlace):
            place.reorder()
        place.update()
        place.draw_bars()

    def status_parts(self) -> list[Part]:
        """The right end of the top line: engine, write state, clock."""
        now = self.feed.now_ms()
        held = self.feed.read(lease.read)
        if held is not None and held.is_fresh(now):
            engine: Part = ("● ONLINE", "")
        else:
            when = texts.age(held.beat_ms, now) if held is not None and held.beat_ms else _("never")
            engine = (f"○ {_('NO ENGINE')} {when}", "")
        if self.armed_until_ms is not None and now >= self.armed_until_ms:
            self.armed_until_ms = None
        if self.armed_until_ms is None:
            write = _("READ-ONLY")
        else:
            left = (self.armed_until_ms - now) // 1000
            write = f"{_('WRITING')} {left // 60}:{left % 60:02}"
        plain = "" if self.settings.encrypted else f"   {_('NOT ENCRYPTED')}"
        return [engine, (f"   {write}{plain}   {texts.clock(now)[:5]} ", "")]

    def say(self, message: str) -> None:
        """A sentence in the bottom line of the screen on top."""
        if isinstance(self.screen, Place) and self.screen.ready:
            self.screen.draw_bars(message)

    def open_target(self, target: str) -> None:
        """Go to a screen by its name: overview, nodes, sensors:FILTER, node:ID, ..."""
        name, rest = registry.split(target)
        if not name or (registry.WAYS[name].of_one and not rest):
            return
        place = registry.WAYS[name].make(rest)
        if isinstance(place, OverviewPlace):
            while len(self.screen_stack) > 1:
                self.pop_screen()
        self.push_screen(place)

    def action_open(self, target: str) -> None:
        """The key of a screen."""
        self.open_target(target)

    def action_step_back(self) -> None:
        """One step back; the overview is the last."""
        if len(self.screen_stack) > 2:
            self.pop_screen()

    def action_leave(self) -> None:
        """One step back, and out of the overview."""
        if len(self.screen_stack) > 2:
            self.pop_screen()
        else:
            self.exit()

    def action_arm(self) -> None:
        """Allow writing for ten minutes, or forbid it again."""
        self.armed_until_ms = None if self.armed_until_ms is not None else self.feed.now_ms() + ARMED_MS
        self.say(_("writing is armed for ten minutes; ! ends it") if self.armed_until_ms else "")

    def grant(self) -> intents.WriteGrant:
        """Who may write what right now."""
        return intents.WriteGrant(actor(), self.settings.role, self.armed_until_ms)

    def may_write(self, kind: intents.IntentKind) -> bool:
        """Whether the gate would let this through; if not, it is said."""
        reason = intents.refusal(self.grant(), kind, self.feed.now_ms())
        if reason is not None:
            self.say(refusal_words(reason))
        return reason is None

    def try_write(self, write: Callable[[intents.WriteGrant], Any], done: str) -> None:
        """Write through the gate and say what came of it."""
        try:
            write(self.grant())
        except intents.WriteRefused as error:
            done = refusal_words(error.reason)
        except StoreError as error:
            done = str(error)
        self.say(done)

    def copy(self, text: str) -> None:
        """To the terminal's clipboard (OSC 52)."""
        self.copy_to_clipboard(text)
        self.say(_("copied: {text}").format(text=text[:50]))

    def action_command(self) -> None:
        """Choose a command by typing a part of its name, or write it out."""
        self.push_screen(Pick(_("command"), commands.choices(), commands.typed), self._command)

    def _command(self, chosen: str | None) -> None:
        if chosen is not None:
            commands.carry_out(self, chosen)

    def action_help(self) -> None:
        """Every key of this screen, searchable."""
        own = self.screen.keys() if isinstance(self.screen, Place) else ()
        lines = [("", f"{key:<12} {word}") for key, word in dict([*commands.everywhere(), *own]).items()]
        self.push_screen(Pick(_("keys here"), lines))

    def on_unmount(self) -> None:
        """Close the reading connection."""
        self.feed.close()


def refusal_words(reason: intents.Refusal) -> str:
    """Why a write was refused."""
    return {
        "no_actor": _("nobody is logged in"),
        "in_the_past": _("this is the past: T goes back to now"),
        "not_armed": _("read-only: press ! to arm writing first"),
        "no_longer_armed": _("writing is no longer armed: press ! again"),
        "role_may_not": _("this role may not do that"),
    }[reason]


def pick_theme(wanted: str) -> str:
    """The terminal's own colours where it has few or NO_COLOR is set, else a calm dark theme."""
    if wanted != "auto":
        return wanted
    few = not os.environ.get("COLORTERM") and "256" not in os.environ.get("TERM", "")
    return "ansi-dark" if os.environ.get("NO_COLOR") or few else "textual-dark"


def run_app(directory: Path, key: bytes | None, settings: Settings) -> int:
    """Show the screens until they are closed."""
    app = Leitstand(directory, key, settings)
    app.run()
    return app.return_code or 0
