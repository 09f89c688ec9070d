"""The screens of rollouts: the list, the board with its decisions, one node's way. Decisions go through the gate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from textual.binding import Binding, BindingType

from console import rollout_words
from console.texts import _
from console.tui import rollout_boards
from console.tui.dialogs import Ask, Pick, Plan
from console.tui.feed import actor
from console.tui.lines import Line, line
from console.tui.list_place import ListPlace
from console.tui.screens import BoardPlace, Keys
from local_store.intents import MAY, IntentKind
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

    def when_empty(self) -> str:
        """Planned with a command."""
        return _("no rollouts yet: `leitstand rollout plan --to VERSION --nodes FILTER` plans one and says what it "
                 "would do; images come in with `leitstand firmware add`")  # fmt: skip

    def target(self, row: Mapping[str, Any]) -> str:
        """Its board."""
        return f"rollout:{row['rollout']}"

    def command(self, key: str | None) -> str:
        """The same in words."""
        return f"leitstand rollout status {key or ''}".strip()


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
        self._shown: rollouts.Board | None = None

    def crumbs(self) -> str:
        """Where this is."""
        return f"{_('Net')} › {_('Rollouts')} › {self.rollout_id}"

    def keys(self) -> Keys:
        """A stop acts at once, everything else asks; what this state or role rules out is not offered."""
        open_now = self.possible()
        act = (("a", _("action…")),) if open_now - {"rollout.pause"} else ()
        return (
            *((("P", _("halt")),) if "rollout.pause" in open_now else ()),
            *((("f", _("go on…")),) if "rollout.resume" in open_now else ()),
            *act,
            *self.open_key(),
            ("y", _("copy")),
            ("Esc", _("back")),
            ("?", _("help")),
        )

    def possible(self) -> set[IntentKind]:
        """What can be decided in the state that is shown, by this role."""
        if self._shown is None:
            return set()
        return {kind for kind in rollouts.possible(self._shown, actor()) if self.console_app.role in MAY[kind]}

    def found(self) -> rollouts.Board | None:
        """The rollout as it is now."""
        return self.console_app.feed.read(lambda cx: rollouts.board(cx, self.rollout_id))

    def build(self, width: int) -> list[Line]:
        """Waves, suspects, the halt."""
        app = self.console_app
        self._shown = found = self.found()
        if found is None:
            return [line((" " + _("there is no rollout of this number"), "warning"))]
        return rollout_boards.board(found, self.now_ms, width, app.ascii_only)

    def action_pause(self) -> None:
        """Halt at once."""
        if not self._not_now("rollout.pause"):
            self._ask("rollout.pause", _("halt queued"))

    def action_resume(self) -> None:
        """Go on, after the number of affected nodes was typed."""
        self._decide("rollout.resume")

    def action_act(self) -> None:
        """Choose among the decisions there are now."""
        words: dict[IntentKind, str] = {
            "rollout.start": _("start…"),
            "rollout.approve": _("approve as a second person…"),
            "rollout.resume": _("go on…"),
            "rollout.abort": _("abort for good…"),
        }
        possible = self.possible()
        choices = [(str(kind), word) for kind, word in words.items() if kind in possible]
        if not choices:
            if not self._not_now("rollout.abort"):
                self.console_app.may_write("rollout.abort")  # says why this role may not
            return

        def done(chosen: str | None) -> None:
            kind = next((one for one in COMMANDS if one == chosen), None)
            if kind is not None:
                self._decide(kind)

        self.console_app.push_screen(Pick(_("action"), choices), done)

    def _not_now(self, kind: IntentKind) -> bool:
        """Whether the state rules this out, which is said then."""
        found = self.found()
        if found is not None and kind in rollouts.possible(found, actor()):
            return False
        if found is not None:
            state = rollout_words.rollout_state(found.rollout.state)
            self.console_app.say(_("not now: {rollout} is {state}"), rollout=self.rollout_id, state=state)
        return True

    def _decide(self, kind: IntentKind) -> None:
        """Ask for the number of nodes it affects, then queue it."""
        app, found = self.console_app, self.found()
        if found is None or self._not_now(kind) or not app.may_write(kind):
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
        app.push_screen(Plan(title, told, left, typed_from=0), done)

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
        return f"{_('Net')} › {_('Rollouts')} › {self.rollout_id} › {self.node_id}"

    def keys(self) -> Keys:
        """Nothing special here."""
        return (("y", _("copy")), ("Esc", _("back")), ("?", _("help")))

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
