"""Click in the reader's language: help is looked up when it is shown, click's own sentences have a catalogue here."""

from __future__ import annotations

import gettext
import math
import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console import texts
from console.cli.render import put
from console.texts import _

if TYPE_CHECKING:
    from click.types import OptionHelpExtra

EXAMPLE = " Example: "
Handler = Callable[..., Any]
Decorator = Callable[[Handler], Handler]


def speak(wanted: str | None) -> str:
    """Speak this language from now on, click included; returns which it became."""
    code = texts.set_language(wanted)
    # click asks the process-wide gettext, which knows no other way to be told a language than this variable.
    os.environ["LANGUAGE"] = code
    gettext.bindtextdomain("click", str(files("console").joinpath("locale")))
    gettext.textdomain("click")
    return code


class Between(click.FloatRange):
    """A number of a range; `nan`, which no comparison finds outside of it, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number. Raises BadParameter."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            text = gettext.gettext("{value!r} is not a valid {number_type}.")
            self.fail(text.format(value=value, number_type=self.name), param, ctx)
        return number


class NewFile(click.Path):
    """A file that is written: no directory, nor the empty text that a variable nobody has set leaves behind."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path. Raises BadParameter."""
        if not os.fspath(value).strip():
            self.fail(_("the name of a file is empty"), param, ctx)
        if os.path.exists(value) and not os.path.isfile(value) and not os.path.isdir(value):
            # It is written whole beside its place and then put there: a device would be gone.
            self.fail(_("{path} is no ordinary file").format(path=value), param, ctx)
        return super().convert(value, param, ctx)


class _Worded:
    """`help` as it was written, given out translated, with the example on a line of its own."""

    _written: str | None = None

    @property
    def help(self) -> str | None:
        if self._written is None:
            return None
        sentence, _separator, example = self._written.partition(EXAMPLE)
        label = _("Example:")
        return f"{_(sentence)}\n\n\b\n{label}\n  {example}" if example else _(sentence)

    @help.setter  # noqa: A003 - click names it so
    def help(self, text: str | None) -> None:
        self._written = text


class Option(_Worded, click.Option):
    """An option with translated help."""

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """The remarks behind the help; click leaves this one word in English."""
        extra = super().get_help_extra(ctx)
        if "required" in extra:
            extra["required"] = _("required")
        return extra


class _Helped(click.Command):
    """Its --help speaks the language of now: click keeps the words of whichever language came first."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """The option that shows the help."""
        found = super().get_help_option(ctx)
        if found is not None:
            found.help, found.callback = gettext.gettext("Show this message and exit."), _show_help
        return found


def _show_help(context: click.Context, _parameter: click.Parameter, is_asked: bool) -> None:
    if is_asked and not context.resilient_parsing:
        put([context.get_help()])
        context.exit()


class Command(_Worded, _Helped):
    """A command with translated help."""


class Group(_Worded, click.Group, _Helped):
    """A group of such commands; a group inside it is one too."""

    command_class = Command
    group_class = type


def option(*names: str, **settings: Any) -> Decorator:
    """click.option with translated help."""
    return click.option(*names, cls=Option, **settings)


def command(name: str | None = None) -> Callable[[Handler], Command]:
    """click.command with translated help."""
    return click.command(name, cls=Command)


def group() -> Callable[[Handler], Group]:
    """click.group with translated help."""
    return click.group(cls=Group)
