"""One OpenWrt-like node over a shell: what it is, whom it hears, its firmware. Never forces a flash."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from device_drivers import openwrt_scripts as scripts
from device_drivers.capabilities import (
    BoardFacts,
    BootFacts,
    ConfigRead,
    FenceFacts,
    FlashOrder,
    FlashOutcome,
    ImageVerdict,
    NeighbourSeen,
    Progress,
    Ran,
    RunsCommands,
    TakesConfiguration,
)
from device_drivers.errors import Garbled, Refused, Unreachable, Unsupported
from device_drivers.openwrt_config import OpenWrtConfiguration
from device_drivers.openwrt_parse import (
    board_facts,
    boot_facts,
    first_number,
    image_verdict,
    neighbours_seen,
    own_macs,
    sections,
)

if TYPE_CHECKING:
    from device_drivers.registry import Shells
    from device_drivers.ssh import SshTarget

ROOM_MARGIN: Final = 8 << 20
"""Left free beside the image in RAM: sysupgrade copies its tools there before it stops everything (openwrt stage2)."""
FLASH_S: Final = 120.0
"""Hashing and testing a 32 MB image takes a small node up to a minute."""
OUTCOMES: Final[Mapping[int, FlashOutcome]] = {
    0: "sent",
    scripts.HELD: "fence_held",
    scripts.OTHER_BOOT: "other_boot",
    scripts.OTHER_REVISION: "other_revision",
    scripts.IMAGE_MISSING: "image_missing",
    scripts.REFUSED: "refused",
}


class ProvedShell(RunsCommands, Protocol):
    """A shell that knows whose it is."""

    @property
    def node_id(self) -> str:
        """The inventory's name of the node, for errors."""

    def identity(self) -> str:
        """Fingerprint of the host key the connection proved."""


class OpenWrtNode:
    """Everything of `capabilities.LinuxNode` on one shell. `configuration` makes the configuration's part of it."""

    def __init__(self, shell: ProvedShell, configuration: TakesConfiguration) -> None:
        self._shell = shell
        self._configuration = configuration

    def identity(self) -> str:
        """Fingerprint of the host key this connection proved."""
        return self._shell.identity()

    def run(self, command: str, *, stdin: bytes = b"", timeout_s: float = 30.0) -> Ran:
        """Run one command of the caller's own."""
        return self._shell.run(command, stdin=stdin, timeout_s=timeout_s)

    def upload(self, source: BinaryIO, size: int, sha256: str, path: str, progress: Progress | None = None) -> None:
        """Put a file on the node."""
        self._shell.upload(source, size, sha256, path, progress)

    def board(self) -> BoardFacts:
        """Model, board name, version, revision. Unsupported where there is no ubus."""
        return board_facts(self._shell.node_id, self._ask(scripts.board()))

    def boot(self) -> BootFacts:
        """Boot id, uptime, room, bank."""
        return boot_facts(self._shell.node_id, self._ask(scripts.boot()))

    def neighbours(self) -> Sequence[NeighbourSeen]:
        """Every far end heard now, once per interface."""
        return neighbours_seen(self._shell.node_id, sections(self._ask(scripts.neighbours())))

    def own_macs(self) -> Mapping[str, str]:
        """Interface name -> MAC."""
        return own_macs(sections(self._ask(scripts.neighbours())))

    def stage(self, image: BinaryIO, size: int, sha256: str, op_id: str, progress: Progress | None = None) -> str:
        """Put the image into the node's RAM, going on where an earlier try broke off. Refused without room."""
        path = scripts.image_path(op_id)
        if self.staged(op_id) == (path, sha256):
            return path
        there = first_number(self._shell.node_id, self._ask(scripts.prepare(op_id)))
        missing = size - there if there <= size else size
        now = self.boot()
        for what, free in (("memory", now.mem_available_bytes), ("room in /tmp", now.tmp_free_bytes)):
            if free < missing + ROOM_MARGIN:
                need = f"{(missing + ROOM_MARGIN) >> 20} MiB"
                raise Refused(self._shell.node_id, f"too little {what}: {free >> 20} MiB, the image needs {need}")
        self._shell.upload(image, size, sha256, path, progress)
        return path

    def staged(self, op_id: str) -> tuple[str, str] | None:
        """Path and hash of the staged image, or None."""
        ran = self._run(scripts.staged(op_id), FLASH_S)
        words = ran.stdout.split()
        if ran.exit_status == 1 and not words:
            return None
        if ran.exit_status != 0 or not words:
            raise Garbled(self._shell.node_id, f"sha256sum ended with {ran.exit_status}: {_words(ran)}")
        return scripts.image_path(op_id), words[0].decode("ascii", "replace")

    def test_image(self, path: str) -> ImageVerdict:
        """What the node thinks of the image. Unsupported where nothing on it can judge one."""
        ran = self._run(scripts.test_image(path), FLASH_S)
        if ran.exit_status == scripts.IMAGE_MISSING:
            raise Refused(self._shell.node_id, f"there is no image at {path}")
        if not ran.stdout.strip():
            raise Unsupported(self._shell.node_id, f"no judgement of the image: {_words(ran)}")
        return image_verdict(self._shell.node_id, ran.stdout.decode("utf-8", "replace"))

    def flash(self, order: FlashOrder) -> FlashOutcome:
        """Send the fenced flash once. A connection that ends or hangs is `sent`: only a probe knows more."""
        try:
            ran = self._shell.run(scripts.flash(order), timeout_s=FLASH_S)
        except Unreachable:
            return "sent"
        if ran.exit_status is None:
            return "sent"
        outcome = OUTCOMES.get(ran.exit_status)
        if outcome is None:
            raise Garbled(self._shell.node_id, f"the flash script ended with {ran.exit_status}: {_words(ran)}")
        return outcome

    def fence(self, op_id: str) -> FenceFacts:
        """Look at the fence without touching it."""
        parts = sections(self._ask(scripts.fence(op_id)))
        words, log = parts.get("", "").split(), parts.get("log", "")
        came_back = "exit" in words and words[words.index("exit") + 1 :][:1] != ["0"]
        return FenceFacts("held" in words, came_back and scripts.COMMENCING not in log, log)

    def sweep(self, keep: Sequence[str]) -> int:
        """Remove images and fences of other operations; an upgrade that still runs is left alone."""
        return first_number(self._shell.node_id, self._ask(scripts.sweep(keep)))

    def read_config(self) -> ConfigRead:
        """The whole running configuration."""
        return self._configuration.read_config()

    def stage_config(self, op_id: str, commands: Sequence[str]) -> Sequence[str]:
        """Stage changes and return what the node says it would change."""
        return self._configuration.stage_config(op_id, commands)

    def apply_config(self, op_id: str, revert_after_s: int) -> None:
        """Apply what was staged, with the way back armed."""
        self._configuration.apply_config(op_id, revert_after_s)

    def confirm_config(self, op_id: str) -> None:
        """Keep what was applied."""
        self._configuration.confirm_config(op_id)

    def revert_config(self, op_id: str) -> None:
        """Go back now."""
        self._configuration.revert_config(op_id)

    def pending_config(self) -> str | None:
        """The operation whose confirmation the node still waits for."""
        return self._configuration.pending_config()

    def _ask(self, script: str) -> str:
        """The output of a script that has to end well."""
        ran = self._run(script)
        if ran.exit_status != 0:
            kind = Unsupported if ran.exit_status in (4, 127) else Refused
            raise kind(self._shell.node_id, f"`{_title(script)}` ended with {ran.exit_status}: {_words(ran)}")
        return ran.stdout.decode("utf-8", "replace")

    def _run(self, script: str, timeout_s: float = 30.0) -> Ran:
        ran = self._shell.run(script, timeout_s=timeout_s)
        if ran.exit_status is None:
            raise Unreachable(self._shell.node_id, f"the connection ended during `{_title(script)}`")
        return ran


@contextlib.contextmanager
def opened(target: SshTarget, shells: Shells, log: Callable[[str], None]) -> Iterator[OpenWrtNode]:  # noqa: ARG001
    """The driver of OpenWrt-like nodes; the shells log for themselves."""
    with shells.shell(target) as shell:
        yield OpenWrtNode(shell, OpenWrtConfiguration(shell, target.node_id))


def _title(script: str) -> str:
    return script.partition("\n")[0].removeprefix(": leitstand ")[:80]


def _words(ran: Ran) -> str:
    return ran.stderr.decode("utf-8", "replace").strip()[:300] or "nothing said"
