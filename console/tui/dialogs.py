"""Questions and answers over a screen: filter, command, help, acknowledge, copy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.fuzzy import Matcher
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from console.texts import _

AROUND: Final = 7
"""Lines that a list of choices leaves free: its frame and input, and something of the screen below it."""
MANY: Final = 20
"""More things than this are only touched after their number was typed."""
Answer = TypeVar("Answer")
Choice = tuple[str, str]
"""A value and the line that stands for it."""


class Field(Input):
    """An input whose cursor stands still: over a slow line each blink is bytes."""

    def on_mount(self) -> None:
        """Do not blink."""
        self.cursor_blink = False


class Question(ModalScreen[Answer]):
    """A question over a screen; Esc leaves everything as it was and gives None."""

    DEFAULT_CSS = """
    Question { align: center middle; background: $background 0%; }
    Question Vertical { width: 70; max-width: 96%; height: auto; max-height: 90%; border: round $foreground 40%; }
    Question Vertical { padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("ctrl+c", "leave", show=False, priority=True),
    ]

    def action_leave(self) -> None:
        """Esc changes nothing."""
        self.dismiss(None)


class Ask(Question[str]):
    """One line of text at the bottom, below what is asked."""

    DEFAULT_CSS = """
    Ask { align: left bottom; }
    Ask Vertical { width: 100%; max-width: 100%; border: none; padding: 0; background: $background; }
    Ask Static { padding: 0 1; text-style: dim; }
    Ask Input { padding: 0 1; width: 100%; }
    """

    def __init__(self, prompt: str, value: str = "") -> None:
        super().__init__()
        self._prompt = prompt
        self._value = value

    def compose(self) -> ComposeResult:
        """The question stays in sight while the answer is typed."""
        with Vertical():
            yield Static(self._prompt, markup=False)
            yield Field(self._value, compact=True, select_on_focus=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter gives the text."""
        self.dismiss(event.value)


class Pick(Question[str]):
    """A list to choose from by typing a part of it, or by moving.

    `typed` may make a value of what was typed where it is none of the choices.
    """

    DEFAULT_CSS = """
    Pick Vertical { padding: 0; }
    Pick Input { padding: 0 1; }
    Pick Static { height: auto; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
    ]

    def __init__(
        self, title: str, choices: Sequence[Choice], typed: Callable[[str], str | None] = lambda _text: None
    ) -> None:
        super().__init__()
        self._title = title
        self._typed = typed
        self._choices = list(choices)
        self._found = list(choices)
        self._at = 0

    def compose(self) -> ComposeResult:
        """The input above the choices."""
        with Vertical():
            yield Field(placeholder=self._title, compact=True, select_on_focus=False)
            yield Static(id="choices", markup=False)

    def on_mount(self) -> None:
        """Show all choices at first."""
        self._draw()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow the choices."""
        wanted = event.value.strip()
        self._found = self._choices
        if wanted:  # the matcher fails on nothing
            matcher = Matcher(wanted)
            ranked = [(matcher.match(text), value, text) for value, text in self._choices]
            found = sorted((one for one in ranked if one[0] > 0), key=lambda one: -one[0])
            self._found = [(value, text) for _score, value, text in found]
        self._at = 0
        self._draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter takes what was written out, else the choice under the cursor."""
        chosen = self._found[self._at][0] if self._found else None
        self.dismiss(self._typed(event.value) or chosen)

    def action_move(self, step: int) -> None:
        """The next choice."""
        self._at = max(0, min(len(self._found) - 1, self._at + step))
        self._draw()

    def _draw(self) -> None:
        most = max(4, self.app.size.height - AROUND - 1)
        first = max(0, self._at - most + 1)
        shown = self._found[first : first + most]
        lines = [("› " if first + at == self._at else "  ") + text for at, (_value, text) in enumerate(shown)]
        left = len(self._found) - first - len(shown)
        if len(self._found) > most:
            lines.append("  " + (_("↓ {n} more, or type a part of it").format(n=left) if left else ""))
        self.query_one("#choices", Static).update("\n".join(lines) or "  " + _("nothing matches"))


class Confirm(Question[tuple[str, float]]):
    """The plan of an acknowledgement, its reason and how long it holds."""

    DEFAULT_CSS = """
    Confirm Horizontal { height: 1; }
    Confirm Horizontal Static { width: auto; }
    """

    def __init__(self, subjects: Sequence[str]) -> None:
        super().__init__()
        self._subjects = subjects

    def compose(self) -> ComposeResult:
        """What will happen, then the two fields."""
        with Vertical():
            yield Static(_("Acknowledge: {what}").format(what=some(self._subjects)), markup=False)
            yield Static(_("It stays open and stops asking until the time is over; Esc changes nothing."), markup=False)
            yield Field(
                placeholder=_("reason: who does what about it"), id="reason", compact=True, select_on_focus=False
            )
            with Horizontal():
                yield Static(_("hours") + " ", markup=False)
                yield Field("8", id="hours", restrict=r"[0-9.,]*", compact=True)
            if len(self._subjects) > MANY:
                ask = _("type {n} to do it").format(n=len(self._subjects))
                yield Field(placeholder=ask, id="number", compact=True)
            yield Static("", id="complaint", markup=False)

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Enter on either field gives both, if both are there."""
        reason = self.query_one("#reason", Input).value.strip()
        hours = self.query_one("#hours", Input).value.replace(",", ".")
        complaint = self.query_one("#complaint", Static)
        if not reason:
            complaint.update(_("a reason is needed"))
            self.query_one("#reason", Input).focus()
            return
        try:
            value = float(hours)
        except ValueError:
            value = 0.0
        if not 0 < value <= 2160:
            complaint.update(_("hours: a number above 0, at most 2160"))
            return
        if len(self._subjects) > MANY and self.query_one("#number", Input).value != str(len(self._subjects)):
            complaint.update(_("type {n} to do it").format(n=len(self._subjects)))
            self.query_one("#number", Input).focus()
            return
        self.dismiss((reason, value))


class Plan(Question[bool]):
    """What would be done to how many things, and what follows; from `typed_from` on their number has to be typed."""

    def __init__(self, title: str, told: str, count: int, typed_from: int = MANY + 1) -> None:
        super().__init__()
        self._head = title
        self._told = told
        self._count = count
        self._typed = count >= typed_from

    def compose(self) -> ComposeResult:
        """The plan, then one field."""
        ask = _("type {n} to do it") if self._typed else _("Enter does it, Esc changes nothing")
        with Vertical():
            yield Static(self._head, markup=False)
            yield Static(self._told, markup=False)
            yield Field(placeholder=ask.format(n=self._count), compact=True, select_on_focus=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter agrees; where the number is wanted, only with the number."""
        if not self._typed or event.value.strip() == str(self._count):
            self.dismiss(True)
        else:
            event.input.value = ""


def some(subjects: Sequence[str]) -> str:
    """Their number and the first few of them."""
    shown = ", ".join(subjects[:5]) + (" …" if len(subjects) > 5 else "")
    return f"{len(subjects)} ({shown})"
