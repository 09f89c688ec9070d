"""A virtual OpenWrt node: files in memory, boots, an upgrade with a fate of its own. No I/O, no clock of its own.

It obeys the no-op line of our scripts (`: leitstand VERB ...`, see simcity/openwrt_verbs.py) and the few plain
commands people and other tools send. Copied on purpose: /tmp is RAM and ends with the boot, every boot has a new
boot id, an accepted upgrade shows as a lost connection, what comes back may be the old version.
"""

from __future__ import annotations

import hashlib
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from device_drivers.simcity import images, openwrt_factory
from device_drivers.simcity.openwrt_uci import UciFiles

Fate = Literal["taken", "bricked", "fell_back", "unchanged", "hangs"]
TMP: Final = "/tmp/"  # noqa: S108 - a name inside a virtual node


@dataclass(frozen=True, slots=True)
class Make:
    """What kind of node it is. `free_bytes` is what an upload may take of its RAM; `banks` is 1 or 2."""

    node_id: str
    board_name: str
    model: str
    version: str
    revision: str
    serial: str
    target: str = "ath79/generic"
    kernel: str = "5.15.150"
    compat_version: str = "1.0"
    banks: int = 1
    free_bytes: int = 96 << 20
    vendor: str = "OpenWrt"


@dataclass(frozen=True, slots=True)
class Times:
    """How long things take, in seconds on the node's clock."""

    until_dark_s: float = 1.0
    reboot_s: float = 8.0


@dataclass(frozen=True, slots=True)
class Mesh:
    """What batctl, iw and iwinfo print on this node; the city makes it from its links."""

    parts: Mapping[str, str] = field(default_factory=dict)


NO_MESH: Final = Mesh()


class VirtualNode:
    """One node. Safe to use from several threads: everything happens under its lock."""

    def __init__(
        self,
        make: Make,
        clock: Callable[[], float],
        seed: int = 1,
        times: Times = Times(),
        mesh: Callable[[], Mesh] = lambda: NO_MESH,
    ) -> None:
        self.make = make
        self.clock = clock
        self.times = times
        self.mesh = mesh
        self.files: dict[str, bytes | bytearray] = openwrt_factory.files(make.node_id, make.serial)
        self.management = openwrt_factory.MANAGEMENT
        """The address its management interface has to keep, or nobody reaches it any more."""
        self.cut_off = False
        self.bank = 1
        self.fell_back = False
        self.generation = 0
        """Grows whenever the node goes dark: a session of an older generation is dead."""
        self.boot_hooks: list[Callable[[VirtualNode], None]] = []
        """Run at the end of every boot, as init scripts are."""
        self.due: list[tuple[float, Callable[[VirtualNode], None]]] = []
        """What runs at a time of the node's clock unless it goes dark before, as background jobs do."""
        self.flashes: list[str] = []
        """Every upgrade that was let loose on this node, by operation; no upgrade wipes it."""
        self._rng = random.Random(f"{seed}{make.node_id}")
        self._seed = seed
        self._back_s: float | None = 0.0
        self._next = make
        self._lock = threading.RLock()
        self.booted_s = clock() - self._rng.uniform(3_600, 4_000_000)
        self.boot_id = self._new_boot_id()
        self.uci = UciFiles(self.files)

    @contextmanager
    def at_work(self) -> Iterator[bool]:
        """Hold the node and bring it up to now; whether it is awake."""
        with self._lock:
            yield self.awake()

    def awake(self) -> bool:
        """Let everything happen that is due; False while it is dark."""
        with self._lock:
            now_s = self.clock()
            if self._back_s is None:
                return False
            if self._back_s > now_s:
                return False
            if self._back_s > 0:
                self._boot(self._back_s)
            ready = sorted((one for one in self.due if one[0] <= now_s), key=lambda one: one[0])
            for one in ready:
                if one in self.due:
                    self.due.remove(one)
                    one[1](self)
            return self._back_s == 0.0 or self.awake()

    @property
    def restless(self) -> bool:
        """Whether anything happens by itself, now or later."""
        return bool(self.due) or self._back_s != 0.0

    def reboot(self) -> None:
        """Go dark and come back as before."""
        with self._lock:
            self.go_dark(self.times.reboot_s)

    def go_dark(self, for_s: float | None) -> None:
        """End every session and lose the RAM; None: for good."""
        with self._lock:
            self.generation += 1
            self.due.clear()
            for path in [path for path in self.files if path.startswith(TMP)]:
                del self.files[path]
            self._back_s = None if for_s is None else self.clock() + max(for_s, 0.001)

    def begin_flash(self, op_id: str, path: str, *, keep_config: bool) -> None:
        """Let the upgrade loose: it ends this boot soon, and what follows is the image's and the node's fate."""
        header = images.read(bytes(self.files[path]))
        assert header is not None
        self.flashes.append(op_id)
        fate = self.fate(header)
        if fate == "hangs":
            return
        self.due.append(
            (self.clock() + self.times.until_dark_s, lambda node: node._end_flash(header, fate, keep_config))
        )

    def installed(self) -> tuple[bool, Make]:
        """Whether it is awake, and what it runs or will run when it is back."""
        with self._lock:
            return self.awake(), self._next

    def resume(self, version: str, revision: str, compat_version: str, bank: int, boot_id: str) -> None:
        """Be what it was before the simulation ended; without a boot id it was dark then, and has booted since."""
        with self._lock:
            self.make = self._next = replace(
                self.make, version=version, revision=revision, compat_version=compat_version
            )
            self.bank = bank
            self.boot_id = boot_id or str(uuid.uuid4())

    def fate(self, header: images.Header) -> Fate:
        """What this image does to this node: always the same for the same seed."""
        drawn = random.Random(f"{self._seed}{self.make.node_id}{header.version}{header.body_sha256}").random() * 100
        choices: tuple[tuple[int, Fate], ...] = (
            (header.brick_pct, "bricked"),
            (header.fall_back_pct, "fell_back"),
            (header.unchanged_pct, "unchanged"),
            (header.hang_pct, "hangs"),
        )
        for pct, fate in choices:
            if drawn < pct:
                return "unchanged" if fate == "fell_back" and self.make.banks == 1 else fate
            drawn -= pct
        return "taken"

    def tmp_used(self) -> int:
        """Bytes of RAM that files hold."""
        return sum(len(body) for path, body in self.files.items() if path.startswith(TMP))

    def free_bytes(self) -> int:
        """RAM left for files."""
        return self.make.free_bytes - self.tmp_used()

    def append(self, path: str, block: bytes) -> bool:
        """Write behind the end of a file; False when there is no room."""
        with self._lock:
            if path.startswith(TMP) and self.free_bytes() < len(block):
                return False
            body = self.files.get(path, b"")
            if not isinstance(body, bytearray):
                body = self.files[path] = bytearray(body)
            body += block
            return True

    def sha256(self, path: str) -> str:
        """The hash of a file that is there."""
        return hashlib.sha256(self.files[path]).hexdigest()

    def _end_flash(self, header: images.Header, fate: Fate, keep_config: bool) -> None:
        if fate == "taken":
            self._next = replace(
                self.make,
                version=header.version,
                revision=header.revision,
                compat_version=header.compat_version,
            )
            self.bank = 3 - self.bank if self.make.banks == 2 else 1
            self.fell_back = False
            if not keep_config:
                self.files = openwrt_factory.files(self.make.node_id, self.make.serial)
                self.cut_off = False
                self.uci = UciFiles(self.files)
        elif fate == "fell_back":
            self.fell_back = True
        self.go_dark(None if fate == "bricked" else self.times.reboot_s)

    def _boot(self, at_s: float) -> None:
        self._back_s = 0.0
        self.make = self._next
        self.booted_s = at_s
        self.boot_id = self._new_boot_id()
        for hook in tuple(self.boot_hooks):
            hook(self)

    def _new_boot_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
