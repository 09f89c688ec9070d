"""The command `leitstand`. Answers --version without loading anything else."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; the exit codes are documented in docs/command-line.md."""
    _open_streams()
    if sys.argv[1:] == ["--version"]:
        from console.version import VERSION

        try:
            sys.stdout.write(f"leitstand {VERSION}\n")
            sys.stdout.flush()
        except BrokenPipeError:  # whoever asked has gone; the interpreter must not try once more at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    from console.cli.main import cli

    cli()


def _open_streams() -> None:
    """A closed standard stream leaves its number to the next file that is opened: what is printed would go into it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


if __name__ == "__main__":
    main()
