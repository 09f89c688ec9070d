"""The root of the command line. Commands are loaded when they are called, so that each starts fast."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Final

import click

from console import texts
from console.cli.context import Options, global_options, guarded
from console.version import VERSION

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "alerts": ("console.cli.listing", "alerts"),
    "collect": ("console.cli.running", "collect"),
    "completion": ("console.cli.store", "completion"),
    "demo": ("console.cli.running", "demo"),
    "doctor": ("console.cli.checks", "doctor"),
    "init": ("console.cli.checks", "init"),
    "measurements": ("console.cli.store", "measurements"),
    "nodes": ("console.cli.listing", "nodes"),
    "quarantine": ("console.cli.quarantine", "quarantine"),
    "sensors": ("console.cli.listing", "sensors"),
    "simcity": ("console.cli.running", "simcity"),
    "status": ("console.cli.store", "status"),
    "store": ("console.cli.store", "store"),
}
JOINED: Final[Mapping[str, tuple[str, ...]]] = {
    "nodes": ("nodes_import", "nodes_export"),
    "sensors": ("sensors_import",),
}


class Lazy(click.Group):
    """A group that imports a command's module only when that command is asked for."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Every command by name."""
        return sorted(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command, with the subcommands that live in another module."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        for other in JOINED.get(cmd_name, ()):
            assert isinstance(command, click.Group)
            command.add_command(getattr(import_module("console.cli.store"), other))
        return command


@click.group(cls=Lazy, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@global_options
@click.version_option(VERSION, prog_name="leitstand", message="%(prog)s %(version)s")
@click.pass_context
def root(context: click.Context) -> int | None:
    """Leitstand: the operations console of a connected city. Without a command it opens the screens."""
    if context.invoked_subcommand is not None:
        return None
    from console.cli.screen import run

    given = context.ensure_object(Options)
    return run(given.config, given.store, given.lang)


def cli() -> None:
    """Run the command line of this process."""
    texts.set_language(os.environ.get("LEITSTAND_LANG"))
    guarded(lambda: root.main(args=sys.argv[1:], prog_name="leitstand", standalone_mode=False))
