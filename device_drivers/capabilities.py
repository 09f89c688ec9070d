"""What a node can do for us beyond being polled: one small Protocol per capability, and their frozen data. No I/O.

A driver offers the capabilities its kind of node has; whoever needs one asks for the Protocol and never for the driver.
Every method raises one of the five errors of `device_drivers.errors`; a node that lacks something raises Unsupported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, Protocol

Progress = Callable[[int, int], None]
"""Receives (bytes sent, bytes in all)."""

Band = Literal["2.4", "5", "6", "60", "wired", "lora"]
NeighbourSource = Literal["batadv", "80211s", "iwinfo", "lldp", "routeros", "airos", "af60", "cnwave"]


@dataclass(frozen=True, slots=True)
class Ran:
    """One command's end. `exit_status` is None when the connection ended first: its outcome is then unknown."""

    exit_status: int | None
    stdout: bytes
    stderr: bytes


class RunsCommands(Protocol):
    """A shell on a node: commands run one after the other, each in a channel of its own."""

    def run(self, command: str, *, stdin: bytes = b"", timeout_s: float = 30.0) -> Ran:
        """Run one command; raises Unreachable when it does not end in time."""

    def upload(self, source: BinaryIO, size: int, sha256: str, path: str, progress: Progress | None = None) -> None:
        """Put a file on the node, going on where an earlier try broke off; it has its name only once its hash fits."""


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """What a node is. `board_name` decides which image fits; `raw` is its own text (`ubus call system board`)."""

    board_name: str
    model: str
    hostname: str
    version: str
    revision: str
    target: str = ""
    kernel: str = ""
    distribution: str = ""
    serial: str = ""
    raw: str = ""


@dataclass(frozen=True, slots=True)
class BootFacts:
    """What changes with every boot. `boot_id` is new after each; `bank` is "" on single-bank nodes.

    `fell_back` is set by nodes that know that their boot loader gave up on the other bank.
    """

    boot_id: str
    uptime_s: int
    mem_available_bytes: int
    tmp_free_bytes: int
    bank: str = ""
    fell_back: bool = False


class ReadsFacts(Protocol):
    """Says what it is and how it runs."""

    def board(self) -> BoardFacts:
        """Model, board name, version, revision."""

    def boot(self) -> BootFacts:
        """Boot id, uptime, room."""


@dataclass(frozen=True, slots=True)
class NeighbourSeen:
    """One far end a node hears on one of its interfaces. MACs are lower case with colons, "" where not told.

    `age_ms` is how long ago the far end was heard last. `guest`: perhaps somebody's telephone; it counts only where its
    address is a node's, and is kept nowhere else.
    """

    source: NeighbourSource
    local_ifname: str
    local_mac: str
    remote_mac: str
    band: Band
    remote_name: str = ""
    quality_pct: float | None = None
    signal_dbm: float | None = None
    throughput_mbps: float | None = None
    channel: int | None = None
    age_ms: int = 0
    remote_ifname: str = ""
    guest: bool = False


class SeesNeighbours(Protocol):
    """Knows its mesh and wire neighbours."""

    def neighbours(self) -> Sequence[NeighbourSeen]:
        """Every far end heard now, once per interface."""

    def own_macs(self) -> Mapping[str, str]:
        """Interface name -> MAC of every interface that carries links."""


@dataclass(frozen=True, slots=True)
class ImageVerdict:
    """The node's own judgement of an image (`validate_firmware_image`). `raw` is its JSON."""

    valid: bool
    forceable: bool
    allow_backup: bool
    tests: Mapping[str, bool] = field(default_factory=dict)
    raw: str = ""


@dataclass(frozen=True, slots=True)
class FlashOrder:
    """Everything the fence on the node compares before it lets one flash happen."""

    op_id: str
    path: str
    sha256: str
    boot_id: str
    revision: str
    keep_config: bool = True


FlashOutcome = Literal["sent", "fence_held", "other_boot", "other_revision", "image_missing", "refused"]
"""`sent` covers a connection that ended: what became of it is only known by probing."""


@dataclass(frozen=True, slots=True)
class FenceFacts:
    """What the fence of one operation looks like now: `held` in this boot, `refused` by sysupgrade, and its log."""

    held: bool
    refused: bool = False
    log: str = ""


class TakesFirmware(Protocol):
    """Can be given a new image. Nothing here forces an image the node refuses."""

    def stage(self, image: BinaryIO, size: int, sha256: str, op_id: str, progress: Progress | None = None) -> str:
        """Put the image beside the running system; returns its path, which contains `op_id`. Refused without room."""

    def staged(self, op_id: str) -> tuple[str, str] | None:
        """Path and sha256 (as the node computes it now) of a whole staged image; None when there is none."""

    def test_image(self, path: str) -> ImageVerdict:
        """What the node thinks of the image."""

    def flash(self, order: FlashOrder) -> FlashOutcome:
        """Send the fenced flash. Whoever calls has written down that it will."""

    def fence(self, op_id: str) -> FenceFacts:
        """Look at the fence without touching it."""

    def sweep(self, keep: Sequence[str]) -> int:
        """Remove staged files and fences of operations not in `keep`; returns how many."""


@dataclass(frozen=True, slots=True)
class ConfigRead:
    """A whole running configuration as the node printed it. `complete` is False when its end mark was missing."""

    text: str
    complete: bool


class TakesConfiguration(Protocol):
    """Can be read and changed with confirm-or-revert; the way back also survives a reboot of the node."""

    def read_config(self) -> ConfigRead:
        """The whole running configuration."""

    def stage_config(self, op_id: str, commands: Sequence[str]) -> Sequence[str]:
        """Stage changes beside the running configuration and return what the node says it would change."""

    def apply_config(self, op_id: str, revert_after_s: int) -> None:
        """Apply what was staged; without `confirm_config` in time the node goes back by itself."""

    def confirm_config(self, op_id: str) -> None:
        """Keep what was applied and disarm the way back."""

    def revert_config(self, op_id: str) -> None:
        """Go back now, or drop what was only staged."""

    def pending_config(self) -> str | None:
        """The operation whose confirmation the node still waits for."""


class LinuxNode(ReadsFacts, SeesNeighbours, TakesFirmware, TakesConfiguration, RunsCommands, Protocol):
    """An OpenWrt-like node: everything above over one SSH connection."""

    def identity(self) -> str:
        """Fingerprint of the host key this connection proved, as `SHA256:...`."""


OpenNode = Callable[[str], AbstractContextManager[LinuxNode]]
"""From an inventory node id to an open connection; raises the five errors, unknown and changed keys among them."""
