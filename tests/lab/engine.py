"""The rollout service in a process of its own, made to be killed: `python -m tests.lab.engine FOLDER`.

It is forked from one that has everything loaded already, so that a hundred starts cost what one does.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playbooks.firmware.books import Hook
from tests.lab.console import Console, open_store, serve
from tests.lab.lab import until

PASSED = "passed"


@dataclass(slots=True)
class Engines:
    """Starts one engine after the other."""

    forge: subprocess.Popen[str]
    base: Path

    def run(self, points: Iterable[str], share: float, seed: int, ended: Callable[[], bool], within_s: float) -> str:
        """One engine that kills itself in `share` of the times it passes one of these points; returns which it was.

        It is killed from outside, and "" returned, as soon as `ended` holds or the time is over.
        """
        assert self.forge.stdin is not None
        assert self.forge.stdout is not None
        (self.base / PASSED).unlink(missing_ok=True)
        self.forge.stdin.write(f"{seed} {share} {' '.join(points)}\n")
        self.forge.stdin.flush()
        pid = int(self.forge.stdout.readline())
        watched = os.pidfd_open(pid)
        self.forge.stdin.write("\n")
        self.forge.stdin.flush()
        until(lambda: ended() or bool(select.select([watched], [], [], 0)[0]), within_s)
        # A kill right after the last commit comes a moment after `ended`.
        select.select([watched], [], [], 0.5 if ended() else 0)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(watched, signal.SIGKILL)
        os.close(watched)
        assert self.forge.stdout.readline() == f"{-signal.SIGKILL}\n"
        return (self.base / PASSED).read_text() if (self.base / PASSED).exists() else ""


@contextlib.contextmanager
def engines(desk: Console) -> Iterator[Engines]:
    """Engines over this console."""
    command = [sys.executable, "-m", "tests.lab.engine", str(desk.base)]
    forge = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with forge:
        yield Engines(forge, desk.base)
        assert forge.stdin is not None
        forge.stdin.close()


def _hook(base: Path, points: set[str], share: float, rng: random.Random) -> Hook:
    def hook(passed: str) -> None:
        if passed in points and rng.random() < share:
            (base / PASSED).write_text(passed)
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def main(base: Path) -> None:
    """Fork an engine for every line of standard input; its process id goes out at once, its end when it has ended.

    It is taken off the table of processes only after an empty line: until then its number names nobody else.
    """
    for line in sys.stdin:
        seed, share, *points = line.split()
        child = os.fork()
        if child == 0:
            hook = _hook(base, set(points), float(share), random.Random(int(seed)))
            serve(base, open_store(base), threading.Event(), hook)
            os._exit(1)
        print(child, flush=True)
        sys.stdin.readline()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
