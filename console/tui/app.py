"""The console's screens as one app: navigation, the write gate's key, the bell of the store."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.filter import LineFilter, Monochrome, NoColor

from console.clock import now_ms as wall_clock_ms
from console.texts import _
from console.tui import commands, registry, roles, status, travel
from console.tui.dialogs import Pick, Question
from console.tui.feed import Feed, actor
from console.tui.lines import Part
from console.tui.list_place import ListPlace
from console.tui.screens import OverviewPlace, Place
from console.tui.typed_ahead import TypedAhead
from console.tui.widgets import whole_cells
from local_store import intents, lease
from local_store.errors import StoreError
from local_store.views import overview, past

ARMED_MS = 600_000
NO_COLOUR = NoColor()
SHOW_CURSOR = "\x1b[?25h"
LOOK_S = 0.1
LOOK_SSH_S = 0.5
NEWEST_MS = 5_000


@dataclass(frozen=True, slots=True)
class Settings:
    """How the screens begin."""

    role: intents.Role = "network"
    theme: str = "auto"
    glyphs: str = "braille"
    encrypted: bool = True
    view: str = ""
    screenreader: bool = False
    now_ms: Callable[[], int] = field(default=wall_clock_ms)


class Leitstand(TypedAhead):
    """Read-only until armed; every write passes the gate in the store."""

    ENABLE_COMMAND_PALETTE = False
    CSS = ".-plain Vertical { border: ascii $foreground 40%; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(way.key, f"open('{name}')", show=False) for name, way in registry.WAYS.items() if way.key),
        Binding("colon", "command", show=False),
        Binding("question_mark", "help", show=False),
        Binding("escape,minus", "step_back", show=False),
        Binding("exclamation_mark", "arm", show=False),
        Binding("t", "travel", show=False),
        Binding("comma", "step(-1)", show=False),
        Binding("full_stop", "step(1)", show=False),
        Binding("T", "now", show=False),
        Binding("q", "leave", show=False),
    ]

    def __init__(self, directory: Path, key: bytes | None, settings: Settings) -> None:
        super().__init__()
        whole_cells()
        self.settings = settings
        self.feed = Feed(directory, key, settings.now_ms)
        self.ascii_only = settings.glyphs == "ascii"
        self.armed_until_ms: int | None = None
        self.trouble: StoreError | None = None
        self.role = settings.role
        self._looked_ms = 0
        self._newest_ms: int | None = None
        self.theme = pick_theme(settings.theme)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """NO_COLOR means none: Textual's greys are colours too, and its grey of a terminal's red is black on black."""
        return [NO_COLOUR if isinstance(one, Monochrome) else one for one in super().get_line_filters()]

    def on_mount(self) -> None:
        """Show the role's first screen, or the view asked for, and begin to listen for the bell."""
        self.set_class(self.ascii_only, "-plain")
        if self.settings.screenreader and self._driver is not None:
            self._driver.write(SHOW_CURSOR)
        self.open_start()
        if self.settings.view:
            commands.carry_out(self, f"view:{self.settings.view}")
        self.set_interval(LOOK_SSH_S if os.environ.get("SSH_CONNECTION") else LOOK_S, self.look)
        self.set_interval(1.0, self.second)

    def place(self) -> Place | None:
        """The screen on top, if it is one of ours and drawn; there is none while the app ends."""
        top = self.screen_stack[-1] if self.screen_stack else None
        return top if isinstance(top, Place) and top.ready else None

    def look(self) -> None:
        """Repaint what the last commits changed, if the bell rang."""
        place = self.place()
        if place is not None and self.feed.rang():
            place.update()

    def second(self) -> None:
        """Clock, ages, order."""
        place = self.place()
        if place is None:
            return
        if isinstance(place, ListPlace):
            place.reorder()
        place.update()
        place.draw_bars()

    def status_parts(self, room: int) -> list[Part]:
        """The right end of the top line, as wide as there is room for it."""
        now = self.feed.clock_ms()
        if self.armed_until_ms is not None and now >= self.armed_until_ms:
            self.armed_until_ms = None
        held = self.feed.read(lease.read)
        write = status.write_word(self.armed_until_ms, now)
        if self.feed.then is not None:
            knows = isinstance(self.screen, Place) and self.screen.HAS_PAST
            return status.past_parts(self.feed.then.at_ms, write if knows else _("SHOWS NOW"), room)
        age = (_("NOT ENCRYPTED"),) if not self.settings.encrypted else ()
        return status.now_parts(held, self._newest(now), (write, *age), now, room)

    def _newest(self, now_ms: int) -> int | None:
        """When anything was last heard. It costs a look at every state: seldom while somebody moves through a list."""
        place = self.place()
        moving = isinstance(place, ListPlace) and place.table.in_use
        if not moving or now_ms - self._looked_ms > NEWEST_MS:
            self._looked_ms, self._newest_ms = now_ms, self.feed.read(overview.newest_ms)
        return self._newest_ms

    def say(self, message: str, **words: object) -> None:
        """A sentence in the bottom line of the screen on top."""
        place = self.place()
        if place is not None:
            place.draw_bars(message.format(**words) if words else message)

    def open_start(self) -> None:
        """The overview, and the role's first screen on top of it."""
        self.open_target("overview")
        start = roles.ROLES[self.role].start
        if start != "overview":
            self.open_target(start)

    def take_role(self, role: intents.Role) -> None:
        """Go on in another role, read-only."""
        self.role, self.armed_until_ms = role, None
        self.open_start()

    def show_moment(self, then: past.Moment | None) -> None:
        """Show another moment, or now."""
        self.feed.then = then
        place = self.place()
        if place is not None:
            place.redraw()

    def action_travel(self) -> None:
        """Ask for a moment of the past."""
        travel.ask(self)

    def action_step(self, count: int) -> None:
        """Five minutes back or forth."""
        travel.step(self, count)

    def action_now(self) -> None:
        """Back to now."""
        travel.now(self)

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

    def action_help_quit(self) -> None:
        """Ctrl+C: close a question, else say how to leave; nobody leaves by accident."""
        if isinstance(self.screen, Question):
            self.screen.action_leave()
        else:
            self.say(_("q goes back and at last leaves; Ctrl+Q leaves at once"))

    def action_arm(self) -> None:
        """Allow writing for ten minutes, or forbid it again."""
        self.armed_until_ms = None if self.armed_until_ms is not None else self.feed.clock_ms() + ARMED_MS
        armed = self.armed_until_ms is not None
        self.say(_("writing is armed for ten minutes; ! ends it") if armed else _("read-only again"))

    def grant(self) -> intents.WriteGrant:
        """Who may write what right now."""
        return intents.WriteGrant(actor(), self.role, self.armed_until_ms, in_the_past=self.feed.then is not None)

    def may_write(self, kind: intents.IntentKind) -> bool:
        """Whether the gate would let this through; if not, it is said."""
        reason = intents.refusal(self.grant(), kind, self.feed.clock_ms())
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

    def ways(self) -> list[tuple[str, str]]:
        """The screens this role needs most, with their keys."""
        chosen = [registry.WAYS[name] for name in roles.ROLES[self.role].ways]
        return [(registry.key_sign(way.key), way.title()) for way in chosen]

    def action_command(self) -> None:
        """Choose a command by typing a part of its name, or write it out."""
        self.push_screen(Pick(_("command"), commands.choices(self), commands.typed), self._command)

    def _command(self, chosen: str | None) -> None:
        if chosen is not None:
            commands.carry_out(self, chosen)

    def action_help(self) -> None:
        """Every key of this screen, searchable."""
        if isinstance(self.screen, Place):
            lines = [("", f"{signs:<14} {word}") for signs, word in commands.keys_here(self.screen)]
            self.push_screen(Pick(_("keys here"), lines))

    def _handle_exception(self, error: Exception) -> None:
        """A store that can no longer be read ends the screens; `run_app` says it in the words of every command."""
        if isinstance(error, StoreError):
            self.trouble = self.trouble or error
            self.exit(return_code=1)
        else:
            super()._handle_exception(error)

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
    """The terminal's own colours where it has few or NO_COLOR is set, else a calm theme; light where it says so."""
    if wanted != "auto":
        return wanted
    few = not os.environ.get("COLORTERM") and "256" not in os.environ.get("TERM", "")
    kind = "ansi" if os.environ.get("NO_COLOR") or few else "textual"
    # rxvt, Konsole and others name their colours as `foreground;background`; 7 and 15 are the white ones.
    light = os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
    return f"{kind}-{'light' if light else 'dark'}"


def run_app(directory: Path, key: bytes | None, settings: Settings) -> int:
    """Show the screens until they are closed. Raises StoreError where the store stopped being readable meanwhile."""
    app = Leitstand(directory, key, settings)
    app.run()
    if app.trouble is not None:
        raise app.trouble
    return app.return_code or 0
