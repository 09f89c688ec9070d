"""The screens of rollouts: the list, the board with its decisions, one node's way. Decisions go through the gate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from console.texts import _
from console.tui import rollout_boards
from console.tui.dialogs import Ask, Pick
from console.tui.lines import Line, line
from console.tui.list_place import ListPlace
from console.tui.screens import BoardPlace, Keys
from local_store.intents import IntentKind
from local_store.views import rollouts

COMMANDS: Final[Mapping[IntentKind, str]] = {
    "rollout.start": "start",
    "rollout.approve": "approve",
    "rollout.resume": "resume",
    "rollout.abort": "abort",
}


class RolloutList(ListPlace):
    """Every rollout."""

    KIND = "rollouts"
    HAS_PAST = False

    def list_title(self) -> str:
        """The list's name."""
        return _("Rollouts")

    def head(self) -> str:
        """They belong to the network."""
        return _("Net")

    def target(self, row: Mapping[str, Any]) -> str:
        """Its board."""
        return f"rollout:{row['rollout']}"

    def command(self, key: str | None) -> str:
        """The same in words."""
        return f"leitstand rollout status {key or ''}".strip()


class TypeNumber(ModalScreen[bool]):
    """Agrees only when the number of what is affected is typed."""

    DEFAULT_CSS = """
    TypeNumber { align: center middle; background: $background 0%; }
    TypeNumber Vertical { width: 70; max-width: 96%; height: auto; border: round $foreground 40%; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss_none", show=False)]

    def __init__(self, title: str, told: str, number: int) -> None:
        super().__init__()
        self._head = title
        self._told = told
        self._number = number

    def compose(self) -> ComposeResult:
        """What happens, then the field."""
        with Vertical():
            yield Static(self._head, markup=False)
            yield Static(self._told, markup=False)
            ask = _("type {n} to do it").format(n=self._number)
            yield Input(placeholder=ask, compact=True, select_on_focus=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Only the very number."""
        if event.value.strip() == str(self._number):
            self.dismiss(True)
        else:
            event.input.value = ""

    def action_dismiss_none(self) -> None:
        """Esc changes nothing."""
        self.dismiss(False)


class RolloutPlace(BoardPlace):
    """One rollout: waves, what is conspicuous, why it halts."""

    HAS_PAST = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("P", "pause", show=False),
        Binding("f", "resume", show=False),
        Binding("a", "act", show=False),
        Binding("y", "copy", show=False),
    ]

    def __init__(self, rollout_id: str) -> None:
        super().__init__()
        self.rollout_id = rollout_id

    def crumbs(self) -> str:
        """Where this is."""
        return f"{_('Net')} › {_('Rollouts')} › {self.rollout_id}"

    def keys(self) -> Keys:
        """A stop acts at once, everything else asks."""
        return (
            ("P", _("halt")),
            ("f", _("go on…")),
            ("a", _("action…")),
            ("↵", _("open")),
            ("y", _("copy…")),
            ("Esc", _("back")),
            ("?", _("help")),
        )

    def found(self) -> rollouts.Board | None:
        """The rollout as it is now."""
        return self.console_app.feed.read(lambda cx: rollouts.board(cx, self.rollout_id))

    def build(self, width: int) -> list[Line]:
        """Waves, suspects, the halt."""
        app = self.console_app
        found = self.found()
        if found is None:
            return [line((" " + _("there is no rollout of this number"), "warning"))]
        return rollout_boards.board(found, app.feed.now_ms(), width, app.ascii_only)

    def action_pause(self) -> None:
        """Halt at once."""
        self._ask("rollout.pause", _("halt queued"))

    def action_resume(self) -> None:
        """Go on, after the number of affected nodes was typed."""
        self._decide("rollout.resume")

    def action_act(self) -> None:
        """Choose a decision."""
        choices = [
            ("rollout.start", _("start…")),
            ("rollout.approve", _("approve as a second person…")),
            ("rollout.resume", _("go on…")),
            ("rollout.abort", _("abort for good…")),
        ]

        def done(chosen: str | None) -> None:
            kind = next((one for one in COMMANDS if one == chosen), None)
            if kind is not None:
                self._decide(kind)

        self.console_app.push_screen(Pick(_("action"), choices), done)

    def _decide(self, kind: IntentKind) -> None:
        """Ask for the number of nodes it affects, then queue it."""
        app, found = self.console_app, self.found()
        if found is None or not app.may_write(kind):
            return
        left = found.remaining
        cuts = len(json.loads(found.rollout.plan).get("cuts", ()))

        def done(agreed: bool | None) -> None:
            if agreed and kind == "rollout.start" and cuts:
                app.push_screen(Ask(_("who is on call? {n} nodes that others hang on restart").format(n=cuts)), start)
            elif agreed:
                self._ask(kind, _("decision queued"), {"confirm": left} if kind == "rollout.resume" else {})

        def start(person: str | None) -> None:
            if person and person.strip():
                self._ask(kind, _("decision queued"), {"on_call": person.strip()})

        titles: dict[IntentKind, str] = {
            "rollout.start": _("Start {rollout}: {n} nodes get {version}"),
            "rollout.approve": _("Approve {rollout}: {n} nodes may get {version}"),
            "rollout.resume": _("Go on with {rollout}: {n} nodes still get {version}"),
            "rollout.abort": _("Abort {rollout}: {n} nodes stay as they are"),
        }
        title = titles[kind].format(rollout=self.rollout_id, n=left, version=found.rollout.version)
        told = _("Each node restarts once. What restarts already is followed to its end whatever you decide.")
        app.push_screen(TypeNumber(title, told, left), done)

    def _ask(self, kind: IntentKind, done: str, more: Mapping[str, object] | None = None) -> None:
        body = {"rollout": self.rollout_id, **(more or {})}
        self.console_app.try_write(lambda grant: self.console_app.feed.ask(kind, body, grant), done)

    def action_copy(self) -> None:
        """The command that says the same."""
        self.console_app.copy(f"leitstand rollout status {self.rollout_id}")


class RolloutNodePlace(BoardPlace):
    """One node's way through a rollout; `target` is ROLLOUT/NODE."""

    HAS_PAST = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "copy", show=False)]

    def __init__(self, target: str) -> None:
        super().__init__()
        self.rollout_id, _slash, self.node_id = target.partition("/")

    def crumbs(self) -> str:
        """Where this is."""
        return f"{_('Rollouts')} › {self.rollout_id} › {self.node_id}"

    def keys(self) -> Keys:
        """Nothing special here."""
        return (("y", _("copy…")), ("Esc", _("back")), ("?", _("help")))

    def build(self, width: int) -> list[Line]:
        """State and steps."""
        app = self.console_app
        found = app.feed.read(lambda cx: rollouts.node_run(cx, self.rollout_id, self.node_id))
        if found is None:
            return [line((" " + _("this node is not in the rollout"), "warning"))]
        return rollout_boards.node_run(found, width, app.ascii_only)

    def action_copy(self) -> None:
        """The command that says the same."""
        self.console_app.copy(f"leitstand rollout status {self.rollout_id} --json")
