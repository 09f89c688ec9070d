"""The command `leitstand`. Answers --version without loading anything else."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the exit codes are documented in docs/command-line.md."""
    if sys.argv[1:] == ["--version"]:
        from console.version import VERSION

        sys.stdout.write(f"leitstand {VERSION}\n")
        return
    from console.cli.main import cli

    cli()


if __name__ == "__main__":
    main()
