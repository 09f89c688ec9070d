"""The root of the command line. Commands are loaded when they are called, so that each starts fast."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final

import click

from console.cli import words
from console.cli.context import LANG_VARIABLE, Options, global_options, guarded
from console.cli.render import put
from console.version import VERSION

COMMANDS: Final[Mapping[str, str]] = {
    "alerts": "console.cli.alerts",
    "calls": "console.cli.calls",
    "collect": "console.cli.running",
    "completion": "console.cli.completion",
    "demo": "console.cli.running",
    "config": "console.cli.config",
    "discover": "console.cli.discover",
    "doctor": "console.cli.checks",
    "firmware": "console.cli.firmware",
    "init": "console.cli.checks",
    "lease": "console.cli.lease",
    "maintenance": "console.cli.maintenance",
    "measurements": "console.cli.series",
    "nodes": "console.cli.nodes",
    "outbox": "console.cli.outbox",
    "provision": "console.cli.provision",
    "quarantine": "console.cli.quarantine",
    "rollout": "console.cli.rollout",
    "sensors": "console.cli.sensors",
    "simcity": "console.cli.running",
    "status": "console.cli.status",
    "store": "console.cli.store",
    "topology": "console.cli.topology",
}
"""Every command with the module that holds it under its own name."""


class Lazy(words.Group):
    """A group that imports a command's module only when that command is asked for."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Every command by name."""
        return sorted(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        return command


def _version(context: click.Context, _parameter: click.Parameter, is_asked: bool) -> None:
    if is_asked and not context.resilient_parsing:
        put([f"leitstand {VERSION}"])
        context.exit()


@click.group(cls=Lazy, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@global_options
@words.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="show the version and exit"
)
@words.option("--view", default="", help="open the screens with a saved view")
@words.option("--screenreader", is_flag=True, help="keep the terminal's cursor on the chosen line")
@click.pass_context
def root(context: click.Context, view: str, screenreader: bool) -> int | None:
    """Leitstand: the operations console of a connected city. Without a command it opens the screens."""
    if context.invoked_subcommand is not None:
        return None
    from console.cli.screen import run

    return run(context.ensure_object(Options), view, screenreader)


def _asked(arguments: Sequence[str]) -> str | None:
    """The language of --lang wherever it stands: a --help before it must be in that language too."""
    for at, argument in enumerate(arguments):
        name, separator, value = argument.partition("=")
        if name == "--lang":
            return value if separator else next(iter(arguments[at + 1 :]), None)
    return None


def cli() -> None:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without our letters shows question marks, not a traceback
    words.speak(_asked(sys.argv) or os.environ.get(LANG_VARIABLE))
    guarded(lambda: root.main(args=sys.argv[1:], prog_name="leitstand", standalone_mode=False))
