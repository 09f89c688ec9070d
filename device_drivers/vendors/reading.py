"""A node that can be read and nothing more: facts and its configuration. Never flashes and never changes anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import BinaryIO, Protocol

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
)
from device_drivers.errors import Unsupported


class Reads(Protocol):
    """What a maker's own file knows how to ask."""

    def board(self) -> BoardFacts:
        """Model, version, serial."""

    def boot(self) -> BootFacts:
        """Uptime and room; `boot_id` is "" where the maker has none."""

    def read_config(self) -> ConfigRead:
        """The whole running configuration."""


class ReadOnlyNode:
    """`capabilities.LinuxNode` of which only the reading half exists; the rest is Unsupported with its reason."""

    def __init__(self, node_id: str, maker: str, fingerprint: str, reads: Reads) -> None:
        self._node_id = node_id
        self._maker = maker
        self._fingerprint = fingerprint
        self._reads = reads

    def identity(self) -> str:
        """Fingerprint of the host key the connection proved."""
        return self._fingerprint

    def board(self) -> BoardFacts:
        """Model, version, serial."""
        return self._reads.board()

    def boot(self) -> BootFacts:
        """Uptime and room."""
        return self._reads.boot()

    def read_config(self) -> ConfigRead:
        """The whole running configuration."""
        return self._reads.read_config()

    def run(self, command: str, *, stdin: bytes = b"", timeout_s: float = 30.0) -> Ran:  # noqa: ARG002
        """Unsupported: a command line without exit status."""
        raise self._no("its command line gives no exit status")

    def upload(
        self,
        source: BinaryIO,  # noqa: ARG002
        size: int,  # noqa: ARG002
        sha256: str,  # noqa: ARG002
        path: str,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002
    ) -> None:
        """Unsupported."""
        raise self._no("nothing on it can hash what arrived")

    def neighbours(self) -> Sequence[NeighbourSeen]:
        """Unsupported over SSH: its wireless tables are read by SNMP."""
        raise self._no("its neighbours are read by SNMP")

    def own_macs(self) -> Mapping[str, str]:
        """Unsupported over SSH."""
        raise self._no("its addresses are read by SNMP")

    def stage(
        self,
        image: BinaryIO,  # noqa: ARG002
        size: int,  # noqa: ARG002
        sha256: str,  # noqa: ARG002
        op_id: str,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002
    ) -> str:
        """Unsupported."""
        raise self._no_flash()

    def staged(self, op_id: str) -> tuple[str, str] | None:  # noqa: ARG002
        """Unsupported."""
        raise self._no_flash()

    def test_image(self, path: str) -> ImageVerdict:  # noqa: ARG002
        """Unsupported."""
        raise self._no_flash()

    def flash(self, order: FlashOrder) -> FlashOutcome:  # noqa: ARG002
        """Unsupported."""
        raise self._no_flash()

    def fence(self, op_id: str) -> FenceFacts:  # noqa: ARG002
        """Unsupported."""
        raise self._no_flash()

    def sweep(self, keep: Sequence[str]) -> int:  # noqa: ARG002
        """Unsupported."""
        raise self._no_flash()

    def stage_config(self, op_id: str, commands: Sequence[str]) -> Sequence[str]:  # noqa: ARG002
        """Unsupported."""
        raise self._no_change()

    def apply_config(self, op_id: str, revert_after_s: int) -> None:  # noqa: ARG002
        """Unsupported."""
        raise self._no_change()

    def confirm_config(self, op_id: str) -> None:  # noqa: ARG002
        """Unsupported."""
        raise self._no_change()

    def revert_config(self, op_id: str) -> None:  # noqa: ARG002
        """Unsupported."""
        raise self._no_change()

    def pending_config(self) -> str | None:
        """Unsupported."""
        raise self._no_change()

    def _no_flash(self) -> Unsupported:
        return self._no("nothing there keeps a second sending from flashing twice, so its firmware is left to a person")

    def _no_change(self) -> Unsupported:
        return self._no("it has no way back that survives a reboot, so its configuration is only read")

    def _no(self, reason: str) -> Unsupported:
        return Unsupported(self._node_id, f"{self._maker}: {reason}")
