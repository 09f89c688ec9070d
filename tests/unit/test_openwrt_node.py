"""What an OpenWrt-like node's driver makes of silence, breaks and strange answers: never more than is known."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO

import pytest

from device_drivers import openwrt_scripts as scripts
from device_drivers.capabilities import FlashOrder, Progress, Ran
from device_drivers.errors import Garbled, Refused, Unreachable, Unsupported
from device_drivers.openwrt import OpenWrtNode
from device_drivers.openwrt_config import OpenWrtConfiguration

ORDER = FlashOrder("op1", "/tmp/leitstand/op1/image.bin", "a" * 64, "boot", "r1")
BOOT = (
    "@@ boot_id\nboot\n@@ uptime\n5.0 4\n@@ memory\nMemAvailable: {kib} kB\n@@ tmp\ntmpfs 1 0 {kib} 0% /tmp\n@@ bank\n"
)


class Scripted:
    """A shell whose answers are given by a function of the command; counts what was sent."""

    node_id = "n"

    def __init__(self, answer: Callable[[str], Ran]) -> None:
        self.sent: list[str] = []
        self.uploaded: list[str] = []
        self._answer = answer

    def identity(self) -> str:
        return "SHA256:x"

    def run(self, command: str, *, stdin: bytes = b"", timeout_s: float = 30.0) -> Ran:
        self.sent.append(command)
        return self._answer(command)

    def upload(self, source: BinaryIO, size: int, sha256: str, path: str, progress: Progress | None = None) -> None:
        self.uploaded.append(path)


def node_of(shell: Scripted) -> OpenWrtNode:
    return OpenWrtNode(shell, OpenWrtConfiguration(shell, "n"))


def hangs(_command: str) -> Ran:
    raise Unreachable("n", "no end")


@pytest.mark.parametrize("answer", [hangs, lambda _: Ran(None, b"", b""), lambda _: Ran(0, b"", b"")])
def test_a_flash_that_hangs_or_loses_its_connection_was_sent_once(answer: Callable[[str], Ran]) -> None:
    shell = Scripted(answer)
    assert node_of(shell).flash(ORDER) == "sent"
    assert len(shell.sent) == 1


@pytest.mark.parametrize("status", [1, 2, 126, 127, 137, 255])
def test_a_strange_end_of_the_flash_script_is_never_taken_for_an_outcome(status: int) -> None:
    with pytest.raises(Garbled, match=f"ended with {status}"):
        node_of(Scripted(lambda _: Ran(status, b"", b"sh: what"))).flash(ORDER)


@pytest.mark.parametrize(
    ("out", "held", "refused"),
    [
        (b"@@ log\n", False, False),
        (b"held\n@@ log\nCommencing upgrade\n", True, False),
        (b"held\nexit 1\n@@ log\nImage check failed.\n", True, True),
        (b"held\nexit 143\n@@ log\nCommencing upgrade. Closing all shell sessions.\n", True, False),
        (b"held\nexit 0\n@@ log\n", True, False),
    ],
)
def test_only_an_upgrade_that_came_back_before_it_began_was_refused(out: bytes, held: bool, refused: bool) -> None:
    found = node_of(Scripted(lambda _: Ran(0, out, b""))).fence("op1")
    assert (found.held, found.refused) == (held, refused)


def test_a_lost_connection_is_no_answer_about_an_image() -> None:
    lost = node_of(Scripted(lambda _: Ran(None, b"", b"")))
    for ask in (
        lambda: lost.staged("op1"),
        lost.board,
        lambda: lost.test_image("/x"),
        lambda: lost.sweep([]),
    ):
        with pytest.raises(Unreachable):
            ask()


def test_a_node_without_ubus_is_no_openwrt() -> None:
    with pytest.raises(Unsupported, match="127"):
        node_of(Scripted(lambda _: Ran(127, b"", b"sh: ubus: not found"))).board()


@pytest.mark.parametrize(("free_kib", "there", "good"), [(9_000, 0, False), (9_000, 400_000, True), (20_000, 0, True)])
def test_room_is_asked_for_what_is_still_missing(free_kib: int, there: int, good: bool) -> None:
    def answer(command: str) -> Ran:
        if " staged " in command:
            return Ran(1, b"", b"")
        return Ran(0, (BOOT.format(kib=free_kib) if " boot" in command else f"{there}\n").encode(), b"")

    shell = Scripted(answer)
    size = 1_200_000
    if good:
        node_of(shell).stage(io.BytesIO(), size, "a" * 64, "op1")
        assert shell.uploaded == [scripts.image_path("op1")]
    else:
        with pytest.raises(Refused, match="too little memory"):
            node_of(shell).stage(io.BytesIO(), size, "a" * 64, "op1")
        assert shell.uploaded == []
