"""The screen of new nodes, for one hand at 80x24: steps, the question, one key. It only asks the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from textual.binding import Binding, BindingType

from console import provision_words
from console.texts import _
from console.tui.dialogs import Ask, Pick
from console.tui.lines import Board, Line, rule
from console.tui.present import glyph
from console.tui.screens import BoardPlace, Keys
from local_store.intents import IntentKind
from local_store.views import outbox
from local_store.views.provisioning import ProvisionRun, runs

SIGNS: Final[Mapping[str, str]] = {"done": "ok", "started": "warning", "asks": "warning", "failed": "down"}
OTHERS: Final = 5


class ProvisionPlace(BoardPlace):
    """One new node's steps; without an id the newest that is open."""

    HAS_PAST = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "act", show=False),
        Binding("y", "copy", show=False),
    ]

    def __init__(self, run_id: str = "") -> None:
        super().__init__()
        self.run_id = run_id

    def crumbs(self) -> str:
        """Where this is."""
        return f"{_('Net')} › {_('New nodes')}"

    def keys(self) -> Keys:
        """One key opens everything that can be done."""
        return (("a", _("action…")), *self.open_key(), ("y", _("copy")), ("Esc", _("back")), ("?", _("help")))

    def action_act(self) -> None:
        """What can be done now, what is asked first."""
        shown, _others = self.found()
        asked = shown is not None and bool(shown.question)
        ways: dict[str, tuple[str, Callable[[], None]]] = {}
        if asked:
            ways["agree"] = (_("yes, agreed"), self._agree)
        if shown is not None and shown.state == "running":
            ways["again"] = (_("look again"), self._again)
        ways["new"] = (_("begin with a new node…"), self._begin)

        def done(chosen: str | None) -> None:
            if chosen in ways:
                ways[chosen][1]()

        self.console_app.push_screen(Pick(_("action"), [(name, words) for name, (words, _do) in ways.items()]), done)

    def found(self) -> tuple[ProvisionRun | None, list[ProvisionRun]]:
        """The run that is shown, and the others."""
        every = self.console_app.feed.read(runs)
        mine = [one for one in every if one.run_id == self.run_id] if self.run_id else every
        shown = next((one for one in mine if one.state == "running"), mine[0] if mine else None)
        return shown, [one for one in every if one is not shown]

    def build(self, width: int) -> list[Line]:
        """Steps, what is asked, other runs."""
        app = self.console_app
        shown, others = self.found()
        board = Board()
        refused = app.feed.read(lambda cx: outbox.refused(cx, "provision."))
        if refused:
            board.tell(" ", _("the last request was refused: {why}").format(why=refused), width, "warning")
        if shown is None:
            board.tell(" ", _("no node has been set up from here yet; `a` begins with one"), width, "dim")
        else:
            _one(board, shown, width, app.ascii_only)
        if others:
            board.lines.append(rule(_("Others"), width))
        for one in others[:OTHERS]:
            done = sum(state == "done" for _name, state in one.steps)
            text = f" {one.node_id}  {one.serial}  {provision_words.run_state(one.state)}  {done}/{len(one.steps)}"
            board.add(text, opens=f"provision:{one.run_id}")
        return board.lines

    def _begin(self) -> None:
        """Scan or type what the engine has to know, field after field."""
        if self.console_app.may_write("provision.start"):
            self._ask_field({}, 0)

    def _ask_field(self, given: dict[str, str], at: int, complaint: str = "") -> None:
        fields = (
            ("serial", _("serial number (scan or type)")),
            ("node_id", _("node id")),
            ("address", _("address in the network")),
            ("site", _("site (empty: none)")),
            ("expected", _("neighbours expected on 5 GHz (a number)")),
        )
        if at == len(fields):
            self._start(given)
            return
        name, prompt = fields[at]

        def done(text: str | None) -> None:
            if text is None:
                return
            now = {**given, name: text.strip()}
            wrong = _wrong(name, text.strip())
            self._ask_field(now, at if wrong else at + 1, wrong)

        told = f"{complaint}: {prompt}" if complaint else prompt
        self.console_app.push_screen(Ask(told, given.get(name, "")), done)

    def _start(self, given: Mapping[str, str]) -> None:
        count = given["expected"]
        job: dict[str, Any] = {name: given[name] for name in ("serial", "node_id", "address", "site")}
        job |= {"role": "mesh", "expected": {"5": int(count)} if count.isdigit() else {}}
        self._queue("provision.start", {"job": job}, _("queued; the engine begins"))

    def _agree(self) -> None:
        """Agree to what is asked: the host key, or an acceptance that falls short, with a reason."""
        shown, _others = self.found()
        if shown is None or not shown.question:
            self.console_app.say(_("nothing is asked"))
            return
        if shown.question.get("question") == "host_key":
            self._answer(shown, {"agreed": True})
            return

        def done(text: str | None) -> None:
            if text and text.strip():
                self._answer(shown, {"agreed": True, "reason": text.strip()})

        self.console_app.push_screen(Ask(_("take it all the same, because")), done)

    def _again(self) -> None:
        """Look again at what fell short, or try a failed step again."""
        shown, _others = self.found()
        if shown is None or shown.state != "running":
            self.console_app.say(_("nothing is open"))
        elif shown.question.get("question") == "acceptance":
            self._answer(shown, {"agreed": False})
        else:
            self._queue("provision.resume", {"run": shown.run_id}, _("queued; the engine goes on"))

    def _answer(self, shown: ProvisionRun, answer: Mapping[str, Any]) -> None:
        self._queue("provision.answer", {"run": shown.run_id, **answer}, _("answered"))

    def _queue(self, kind: IntentKind, body: Mapping[str, Any], done: str) -> None:
        app = self.console_app
        if app.may_write(kind):
            app.try_write(lambda grant: app.feed.ask(kind, body, grant), done)

    def action_copy(self) -> None:
        """The command that says the same."""
        shown, _others = self.found()
        self.console_app.copy(f"leitstand provision status {shown.run_id if shown else ''}".strip())


def _wrong(name: str, text: str) -> str:
    """What is wrong with an answer; the engine looks closer once it has all of them."""
    if name == "expected":
        return "" if not text or text.isdecimal() else _("this is no number")
    return "" if text or name == "site" else _("this is needed")


def _one(board: Board, shown: ProvisionRun, width: int, ascii_only: bool) -> None:
    board.add(f" {shown.node_id}  {shown.serial}  {shown.site}", (f"  {provision_words.run_state(shown.state)}", "dim"))
    for name, state in shown.steps:
        sign = SIGNS.get(state, "unknown")
        board.add(
            (f"   {glyph(sign, ascii_only)} {provision_words.step(name):16}", sign),
            (provision_words.step_state(state), "dim"),
        )
    if shown.trouble:
        board.tell(" ", shown.trouble, width, "down")
    question = shown.question
    if question.get("question") == "host_key":
        board.lines.append(rule(_("Is this the key on its label?"), width))
        board.add((f"   {question['fingerprint']}", "mark"))
    elif question.get("question") == "acceptance":
        board.lines.append(rule(_("It falls short"), width))
        for item in question.get("items", ()):
            style = "down" if item["passed"] is False else ""
            name, *values = provision_words.item(item["name"]), item["expected"], item["found"]
            expected, found = map(provision_words.value, values)
            board.add((f"   {name:18} {expected:>12} {found:>16}", style))
