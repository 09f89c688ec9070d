"""Whole Leitstand processes, as a person starts them."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from console.demo import DemoOptions

WAIT_S = 120
LEITSTAND = [sys.executable, "-m", "console"]


def run(*arguments: str, cwd: Path | None = None, **other: Any) -> subprocess.CompletedProcess[str]:
    """One command to its end; the language is English."""
    command = [*LEITSTAND, "--lang", "en", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False, **other)


def objects(*arguments: str, cwd: Path | None = None) -> list[dict[str, Any]]:
    """The JSON objects a command prints."""
    done = run(*arguments, "--json", cwd=cwd)
    assert "Traceback" not in done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def quick(directory: Path, nodes: int, well: bool = False) -> DemoOptions:
    """A demo polled more often, restarting faster than a person would have it: these tests wait most of the time."""
    return DemoOptions(directory, nodes=nodes, well=well, poll_s=3, mesh_s=10, reboot_s=4)


@contextlib.contextmanager
def background(*arguments: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs until the end of the block."""
    process = subprocess.Popen([*LEITSTAND, *arguments], cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.terminate()
        process.wait(WAIT_S)


def until(condition: Callable[[], bool], what: str, seconds: float = WAIT_S) -> None:
    """Wait for a condition with a deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        select.select([], [], [], 1.0)  # each look is a process of its own, beside those that work
    raise AssertionError(f"not within {seconds} s: {what}")
