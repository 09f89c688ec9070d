"""The screens in real terminals: without colour, with the terminal's own sixteen, and readable in both."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import KEY
from tests.tui.city import NOW_MS, busy

WAIT_S = 30
SHOW = """
import sys
from pathlib import Path
from console import texts
from console.tui.app import Settings, run_app
texts.set_language("de")
key, now_ms = bytes.fromhex(sys.argv[2]), int(sys.argv[3])
sys.exit(run_app(Path(sys.argv[1]), key, Settings(now_ms=lambda: now_ms)))
"""
ESCAPES = re.compile(
    r"\x1b(?:\[[0-9;?<>=:$ ]*[a-zA-Z~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|P[^\x1b]*\x1b\\|[()][0-9A-B]|[=>78cM])"
)
COLOURS = re.compile(r"\x1b\[([0-9;:]*)m")


class Terminal:
    """A pseudo-terminal with the console in it: what it was sent, and keys for it."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self._master = master
        self.process = process
        self.sent = ""
        self._since = 0

    def read(self, wait_s: float) -> bool:
        """Take what has come; whether anything may still come."""
        if not select.select([self._master], [], [], wait_s)[0]:
            return True
        try:
            chunk = os.read(self._master, 1 << 16)
        except OSError:  # EIO: the other end is closed
            return False
        self.sent += chunk.decode("utf-8", "replace")
        return bool(chunk)

    def until(self, *words: str) -> None:
        """Wait until every word was shown since the last key."""
        deadline = time.monotonic() + WAIT_S
        while not all(word in self.text() for word in words):
            assert self.read(0.2), f"it ended with {self.process.poll()}: {self.text()[-2000:]}"
            assert time.monotonic() < deadline, f"never shown: {words}\n{self.text()[-2000:]}"

    def text(self) -> str:
        """What was sent since the last key, without anything that only a terminal reads."""
        return ESCAPES.sub("", self.sent[self._since :])

    def press(self, key: str) -> None:
        """One key; what is waited for next comes after it."""
        self._since = len(self.sent)
        os.write(self._master, key.encode())

    def ended(self) -> int:
        """Its exit code, once it has left."""
        deadline = time.monotonic() + WAIT_S
        while self.read(0.1) and self.process.poll() is None:
            assert time.monotonic() < deadline, "it does not leave"
        return self.process.wait(WAIT_S)

    def colours(self) -> set[str]:
        """Every parameter of every change of style: 0 to 29 are no colours, 39 and 49 the terminal's own."""
        found = {one for codes in COLOURS.findall(self.sent) for one in re.split("[;:]", codes) if one}
        return {one for one in found if int(one) >= 30 and one not in {"39", "49"}}


@contextlib.contextmanager
def terminal(directory: Path, **environment: str) -> Iterator[Terminal]:
    """The console in a terminal of 100 columns that says so much about itself."""
    known = ("COLORTERM", "NO_COLOR", "COLORFGBG", "TERM", "TEXTUAL_COLOR_SYSTEM", "SSH_CONNECTION")
    clean = {name: value for name, value in os.environ.items() if name not in known}
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    command = [sys.executable, "-c", SHOW, str(directory), KEY.hex(), str(NOW_MS)]
    try:
        process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env={**clean, **environment}, start_new_session=True
        )
    finally:
        os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait(WAIT_S)
        os.close(master)


def tour(screen: Terminal) -> None:
    """Every kind of thing there is to see: board, list with cursor and marks, alerts, help, and out again."""
    screen.until("GEvernetzt", "ONLINE", "NUR-LESEN", "✖", "aus: keine Antwort")
    screen.press("2")
    screen.until("✖ keine Antwort", "▲ Paketverlust", "● ok", "ZUSTAND▲")
    screen.press(" ")
    screen.until("•", "1 markiert")
    screen.press("4")
    screen.until("✖ kritisch", "▲ Warnung", "über 5 min")
    screen.press("?")
    screen.until("Tasten hier")
    screen.press("\x03")
    screen.until("kritisch")
    for place in ("NUR-LESEN", "GEvernetzt"):
        screen.press("q")
        screen.until(place)
    screen.press("q")
    assert screen.ended() == 0


@pytest.mark.parametrize(
    "environment",
    [{"TERM": "xterm-256color", "COLORTERM": "truecolor"}, {"TERM": "linux"}],
    ids=lambda one: one["TERM"],
)
def test_no_color_gives_no_colour_and_every_state_stays_readable(tmp_path: Path, environment: dict[str, str]) -> None:
    with terminal(busy(tmp_path), NO_COLOR="1", **environment) as screen:
        tour(screen)
        assert screen.colours() == set()


@pytest.mark.parametrize("term", ["linux", "xterm"])
def test_a_terminal_of_sixteen_colours_gets_no_others(tmp_path: Path, term: str) -> None:
    with terminal(busy(tmp_path), TERM=term) as screen:
        tour(screen)
        wrong = {one for one in screen.colours() if not (30 <= int(one) <= 37 or 90 <= int(one) <= 97
                 or 40 <= int(one) <= 47 or 100 <= int(one) <= 107)}  # fmt: skip
        assert wrong == set()
        assert {"31", "33"} <= screen.colours(), "red and yellow are the ones that mean something"
