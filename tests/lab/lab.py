"""One lab: opened, used and closed; several may run side by side. Leaves nothing behind, not even when it is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from device_drivers import known_hosts
from device_drivers.api import SnmpCredentials, SnmpTarget
from device_drivers.ssh import SshTarget
from tests.conftest import missing_peer, require_peer
from tests.lab import base, flash, wires
from tests.lab.machines import Machines
from tests.lab.tree import Tree, grow

RUN = Path("/run/leitstand-lab")
PROGRAMS = (
    "busybox",
    "dropbear",
    "dropbearkey",
    "ip",
    "mount",
    "nft",
    "nsenter",
    "setpriv",
    "snmpd",
    "umount",
    "unshare",
)
NUMBERS = range(1, 250)
UP_S = 60.0


@dataclass(slots=True)
class Lab:
    """A running lab."""

    tree: Tree
    home: Path
    machines: Machines
    key_file: Path
    known_hosts: Path

    def names(self) -> list[str]:
        """All nodes, parents first."""
        return [node.name for node in self.tree.nodes]

    def target(self, name: str, timeout_s: float = 10.0) -> SshTarget:
        """The way in, with the host key a person has confirmed."""
        return SshTarget(name, self.tree[name].address, self.known_hosts, key_file=self.key_file, timeout_s=timeout_s)

    def snmp(self, name: str) -> SnmpTarget:
        """The node's agent with its own SNMPv3 user."""
        rights = SnmpCredentials("3", "", flash.SNMP_USER, "sha256", flash.SNMP_AUTH, "aes128", flash.SNMP_PRIV)
        return SnmpTarget(name, self.tree[name].address, 161, rights)

    def folder(self, name: str) -> Path:
        """The node's files as the host sees them."""
        return self.machines.node(name)

    def boot_id(self, name: str) -> str:
        """The id of the present boot, read behind the node's back."""
        return (self.folder(name) / "boot_id").read_text().strip()

    def flash_log(self, name: str) -> list[flash.Flashed]:
        """What the node itself says it flashed."""
        return flash.flash_log(self.folder(name))

    def next_flash(self, mode: str, *names: str) -> None:
        """What the next flash does on these nodes: ok, brick, revert, same, hang or slow."""
        for name in names:
            (self.folder(name) / "mtd/mode").write_text(mode + "\n")

    def repair(self, name: str) -> None:
        """What a technician does to a bricked node: the old image by serial line, and power."""
        (self.folder(name) / "mtd/bricked").unlink(missing_ok=True)
        self.machines.on(name)

    def renew(self, name: str) -> None:
        """Give the node back the flash it was built with, host key included, and start it; returns before it is up."""
        self.machines.off(name)
        folder = self.folder(name)
        for part in (*flash.FLASHED, "work"):
            shutil.rmtree(folder / part)
        for part in flash.FLASHED:
            shutil.copytree(folder / "pristine" / part, folder / part)
        (folder / "work").mkdir()
        flash.set_memory(folder, flash.MEM_AVAILABLE_KIB)
        self.machines.on(name)

    def wait_up(self, *names: str, within_s: float = UP_S) -> None:
        """Wait until these nodes (all, when none is named) have started every service."""
        wanted = names or tuple(self.names())
        waiting = [name for name in wanted if not until(lambda: self.machines.up(name), within_s)]  # noqa: B023
        assert not waiting, "\n".join(f"{name}: {(self.folder(name) / 'boot.log').read_text()}" for name in waiting)

    def wait_reboot(self, name: str, old_boot_id: str, within_s: float = UP_S) -> None:
        """Wait until the node has come up from another boot."""
        seen = until(lambda: self.boot_id(name) != old_boot_id and self.machines.up(name), within_s)
        assert seen, f"{name} did not reboot: {(self.folder(name) / 'boot.log').read_text()}"

    def cut(self, name: str) -> None:
        """Take the node's link towards the console down."""
        node = self.tree[name]
        wires.batch([f"link set {node.uplink.ifname} down"], wires.space(self.tree.number, node))

    def join(self, name: str) -> None:
        """Bring that link back; the node finds its routes again."""
        self.inside(name, "/etc/init.d/network start")

    def lose(self, name: str, percent: int) -> None:
        """Drop this share of what comes in over the node's link towards the console."""
        wires.lose(self.tree, self.tree[name], percent)

    def inside(self, name: str, command: str) -> str:
        """Run a command on the node's own console, without any network."""
        pid = str(self.machines.init_pid(name))
        path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
        return wires.run(["nsenter", "-t", pid, "-m", "-p", "-n", "-u", "-i", "env", path, "sh", "-c", command])

    def memory_mib(self) -> dict[str, float]:
        """What the lab costs: proportional memory of its processes, and its files, which lie in memory as well."""
        spaces = {os.stat(wires.NAMED / wires.space(self.tree.number, node)).st_ino for node in self.tree.nodes}
        pss = sum(_pss_kib(process, spaces) for process in Path("/proc").glob("[0-9]*"))
        return {"processes": pss / 1024, "files": shutil.disk_usage(self.home).used / (1 << 20)}


def until(condition: Callable[[], bool], within_s: float = 20.0) -> bool:
    """Look again and again until it holds; False when the time is over."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _pss_kib(process: Path, spaces: Iterable[int]) -> int:
    try:
        if os.stat(process / "ns/net").st_ino not in spaces:
            return 0
        lines = (process / "smaps_rollup").read_text().splitlines()
    except OSError:  # it ended
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def require() -> None:
    """Skip by name (or fail under REQUIRE_PEERS=1) where this machine cannot hold a lab."""
    for program in PROGRAMS:
        require_peer(program)
    if os.geteuid() != 0:
        missing_peer("root for the lab's network namespaces")
    trial = ["unshare", "-m", "-n", "-p", "-T", "-f", "mount", "-t", "tmpfs", "none", "/mnt"]
    if subprocess.run(trial, capture_output=True, check=False).returncode:
        missing_peer("the right to make namespaces and mounts for the lab")


@contextlib.contextmanager
def opened(count: int = 31) -> Iterator[Lab]:
    """Build a lab, start every node, wait until all are up; take everything down at the end."""
    require()
    with _claimed() as number, contextlib.ExitStack() as stack:
        home = RUN / str(number)
        home.mkdir()
        stack.callback(_swept, number)
        wires.run(["mount", "-t", "tmpfs", "-o", "mode=700", f"{wires.PREFIX}{number}", home])
        tree = grow(number, count)
        lab = Lab(tree, home, Machines(tree, home), home / "client", home / "known_hosts")
        _furnish(lab)
        wires.lay(tree)
        lab.machines.start()
        stack.callback(lab.machines.close)
        lab.machines.on(*lab.names())
        lab.wait_up()
        yield lab


def _furnish(lab: Lab) -> None:
    base.build(lab.home / "lower")
    key = Ed25519PrivateKey.generate()
    lab.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    lab.key_file.chmod(0o600)
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    for node in lab.tree.nodes:
        shown = flash.fill(lab.folder(node.name), node, public)
        known_hosts.confirm(lab.known_hosts, node.address, 22, shown)


@contextlib.contextmanager
def _claimed() -> Iterator[int]:
    """A number nobody else has; what dead owners left is swept first. The lock ends with its owner, however it ends."""
    RUN.mkdir(exist_ok=True)
    with (RUN / "lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        for path in sorted(RUN.glob("*.owner")):
            _sweep_if_dead(path)
        number = next(number for number in NUMBERS if not (RUN / f"{number}.owner").exists())
        owner = (RUN / f"{number}.owner").open("w")
        fcntl.flock(owner, fcntl.LOCK_EX)
    try:
        yield number
    finally:
        Path(owner.name).unlink()
        owner.close()


def _sweep_if_dead(path: Path) -> None:
    with path.open("w") as owner:
        if _locked(owner):
            _swept(int(path.stem))
            path.unlink()


def _locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _swept(number: int) -> None:
    """Remove namespaces, wires and files of one lab."""
    wires.sweep(number)
    home = RUN / str(number)
    if home.is_mount():
        # Processes that are just ending may hold it for a moment more; lazily it goes with the last of them.
        wires.run(["umount", "-l", home])
    if home.exists():
        home.rmdir()
