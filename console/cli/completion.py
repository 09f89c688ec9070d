"""The command that prints a shell's completion script."""

from __future__ import annotations

import click

from console.cli import words
from console.cli.render import put


@words.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell. Example: leitstand completion bash"""
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root()
    kind = get_completion_class(shell)
    assert kind is not None
    put([kind(root.command, {}, "leitstand", "_LEITSTAND_COMPLETE").source()])
