"""The console's screens as one app: navigation, the write gate's key, the bell of the store."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType

from console import texts
from console.clock import now_ms as wall_clock_ms
from console.texts import _
from console.tui.boards import Part
from console.tui.dialogs import Pick
from console.tui.feed import Feed, actor
from console.tui.list_place import ListPlace
from console.tui.screens import HealthPlace, NodePlace, OverviewPlace, Place, SensorPlace
from local_store import intents, lease
from local_store.errors import StoreError

ARMED_MS = 600_000
LOOK_S = 0.1
UNSTICK_S = 0.1
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


class Leitstand(App[None]):
    """Read-only until armed; every write passes the gate in the store."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "open('overview')", show=False),
        Binding("2", "open('nodes')", show=False),
        Binding("3", "open('sensors')", show=False),
        Binding("4", "open('alerts')", show=False),
        Binding("5", "open('health')", show=False),
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
        self._typed: deque[events.Key] = deque()
        self._busy = False
        self._coming = 0
        self._turn = 0
        self.theme = pick_theme(settings.theme)

    def on_mount(self) -> None:
        """Show the role's first screen and begin to listen for the bell."""
        self.open_target("overview")
        start = START[self.settings.role]
        if start != "overview":
            self.open_target(start)
        self.set_interval(LOOK_SSH_S if os.environ.get("SSH_CONNECTION") else LOOK_S, self.look)
        self.set_interval(1.0, self.second)

    def push_screen(self, *given: Any, **named: Any) -> Any:
        """As Textual does, but no key is handed on before the new screen listens."""
        self._coming += 1
        found = super().push_screen(*given, **named)
        self.screen.call_after_refresh(self._arrived)
        return found

    def _arrived(self, tries: int = 20) -> None:
        """The screen has been drawn; wait a moment longer until one of its widgets listens."""
        if self.focused is None and tries and self.screen.focus_chain:
            self.set_timer(0.005, lambda: self._arrived(tries - 1))
            return
        self._coming = max(0, self._coming - 1)
        self.call_later(self._next_key, self._turn)

    async def on_event(self, event: events.Event) -> None:
        """Keys one after the other: what was typed ahead meets the screen that the key before it opened."""
        if isinstance(event, events.Key):
            self._typed.append(event)
            if len(self._typed) == 1 and not self._busy:
                await self._next_key(self._turn)
            return
        await super().on_event(event)

    async def _next_key(self, turn: int) -> None:
        """Hand on the next key once the one before is through; `turn` makes late calls harmless."""
        if turn != self._turn:
            return
        self._busy = bool(self._typed) or self._coming > 0
        if self._coming or not self._typed:
            return
        self._turn += 1
        mine = self._turn
        target = self.focused or self.screen
        await super().on_event(self._typed.popleft())
        target.call_later(lambda: self.screen.call_later(lambda: self.call_later(self._next_key, mine)))
        # A widget that this key removed calls nobody back.
        self.set_timer(UNSTICK_S, lambda: self._next_key(mine))

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

    def open_target(self, target: str) -> None:
        """Go to a screen by its name: overview, nodes, sensors:FILTER, node:ID, ..."""
        kind, _sep, rest = target.partition(":")
        if kind == "overview":
            while len(self.screen_stack) > 1:
                self.pop_screen()
            self.push_screen(OverviewPlace())
        elif kind in ("nodes", "sensors", "alerts"):
            self.push_screen(ListPlace(kind, rest))
        elif kind == "health":
            self.push_screen(HealthPlace())
        elif kind == "node" and rest:
            self.push_screen(NodePlace(rest))
        elif kind == "sensor" and rest:
            self.push_screen(SensorPlace(rest))

    def action_open(self, target: str) -> None:
        """A digit key."""
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
        if isinstance(self.screen, Place) and self.screen.ready:
            self.screen.draw_bars(_("writing is armed for ten minutes; ! ends it") if self.armed_until_ms else "")

    def grant(self) -> intents.WriteGrant:
        """Who may write what right now."""
        return intents.WriteGrant(actor(), self.settings.role, self.armed_until_ms)

    def may_write(self, kind: intents.IntentKind) -> bool:
        """Whether the gate would let this through; if not, it is said."""
        reason = intents.refusal(self.grant(), kind, self.feed.now_ms())
        if reason is not None and isinstance(self.screen, Place) and self.screen.ready:
            self.screen.draw_bars(refusal_words(reason))
        return reason is None

    def try_write(self, write: Callable[[intents.WriteGrant], Any], done: str) -> None:
        """Write through the gate and say what came of it."""
        try:
            write(self.grant())
        except intents.WriteRefused as error:
            done = refusal_words(error.reason)
        except StoreError as error:
            done = str(error)
        if isinstance(self.screen, Place) and self.screen.ready:
            self.screen.draw_bars(done)

    def copy(self, text: str) -> None:
        """To the terminal's clipboard (OSC 52)."""
        self.copy_to_clipboard(text)
        if isinstance(self.screen, Place) and self.screen.ready:
            self.screen.draw_bars(_("copied: {text}").format(text=text[:50]))

    def action_command(self) -> None:
        """Choose a command by typing a part of its name."""
        choices = [
            ("overview", _("overview")),
            ("nodes", _("nodes")),
            ("nodes:!ok", _("nodes that are not ok")),
            ("sensors", _("sensors")),
            ("sensors:kind:bin fill>=80", _("bins that are due")),
            ("sensors:kind:climate", _("climate stations")),
            ("alerts", _("alerts")),
            ("health", _("console")),
            ("lang:de", "Deutsch"),
            ("lang:en", "English"),
            ("quit", _("quit")),
        ]
        self.push_screen(Pick(_("command"), choices), self._command)

    def _command(self, chosen: str | None) -> None:
        if chosen == "quit":
            self.exit()
        elif chosen is not None and chosen.startswith("lang:"):
            texts.set_language(chosen.removeprefix("lang:"))
            self.open_target("overview")
        elif chosen is not None:
            self.open_target(chosen)

    def action_help(self) -> None:
        """Every key of this screen, searchable."""
        place = self.screen
        own = place.keys() if isinstance(place, Place) else ()
        everywhere = (
            ("1–5", _("overview, nodes, sensors, alerts, console")),
            (":", _("command")),
            ("Esc -", _("back")),
            ("↑ ↓ j k g G", _("move")),
            ("< > R", _("sort by another column, reverse")),
            ("w", _("all columns")),
            ("␣", _("mark a row")),
            ("p", _("pause this view")),
            ("!", _("arm writing for ten minutes")),
            ("q", _("back, at the end quit")),
        )
        lines = [("", f"{key:<12} {word}") for key, word in dict([*everywhere, *own]).items()]
        self.push_screen(Pick(_("keys here"), lines))

    def on_unmount(self) -> None:
        """Close the reading connection."""
        self.feed.close()


def refusal_words(reason: intents.Refusal) -> str:
    """Why a write was refused."""
    return {
        "no_actor": _("nobody is logged in"),
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
