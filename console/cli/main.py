"""The root of the command line."""

from __future__ import annotations

import click


@click.group()
def cli() -> None:
    """Leitstand: the operations console of a connected city."""
