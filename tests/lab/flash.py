"""What lies on a node before its first boot, and what its flash tells later. Writes only into the node's folder."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from device_drivers.known_hosts import HostKey
from tests.conftest import require_peer
from tests.lab import wires
from tests.lab.tree import DUAL, MODEL_NAMES, Node

VERSION, REVISION = "23.05.4", "r24012-d8dd03c46f"
"""What every node runs at first."""
SNMP_USER, SNMP_AUTH, SNMP_PRIV = "leitstand", "lab-authenticates", "lab-keeps-private"
MEM_AVAILABLE_KIB = 96 * 1024
FLASHED = ("flash", "mtd")
"""The parts of a node's folder that survive a reboot: its file system, and what the boot loader sees."""
CONFIGS = {
    "network": """
config interface 'loopback'
	option device 'lo'
	option proto 'static'
	option ipaddr '127.0.0.1'

config device
	option name 'br-lan'
	option type 'bridge'

config interface 'lan'
	option device 'br-lan'
	option proto 'static'
	option ipaddr '{address}'
	option netmask '255.255.255.255'
	option gateway '{gateway}'

""",
    "system": """
config system
	option hostname '{name}'
	option timezone 'CET-1CEST,M3.5.0,M10.5.0/3'

""",
    "dropbear": """
config dropbear
	option PasswordAuth 'off'
	option Port '22'

""",
    "wireless": """
config wifi-device 'radio0'
	option band '5g'
	option channel '100'

config wifi-iface 'mesh0'
	option device 'radio0'
	option mode 'mesh'
	option mesh_id 'ge-mesh'
	option key 'not-for-the-log'

""",
}


@dataclass(frozen=True, slots=True)
class Flashed:
    """One line of a node's own flash log: what sysupgrade was given, in which boot, and what became of it."""

    at_s: int
    boot_id: str
    path: str
    sha256: str
    mode: str

    @property
    def op_id(self) -> str:
        """The operation, which every staged image's path names."""
        return self.path.split("/")[3]


def flash_log(folder: Path) -> list[Flashed]:
    """Every flash this node ever began."""
    path = folder / "mtd/flash.log"
    rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [Flashed(int(row[0]), *row[1:]) for row in rows]


def set_memory(folder: Path, available_kib: int) -> None:
    """What /proc/meminfo of the node says. The file is bound into it: it has to stay the same file."""
    lines = {"MemTotal": 245_760, "MemFree": available_kib // 2, "MemAvailable": available_kib, "Cached": 20_000}
    (folder / "meminfo").write_text("".join(f"{key + ':':<15} {value:>8} kB\n" for key, value in lines.items()))


def fill(folder: Path, node: Node, client_key: str) -> HostKey:
    """Everything a technician would have put on the node; returns its host key."""
    for part in ("flash/etc/config", "flash/etc/dropbear", "flash/etc/snmp", "work", "root", "mtd"):
        (folder / part).mkdir(parents=True)
    set_memory(folder, MEM_AVAILABLE_KIB)
    (folder / "boot_id").touch()
    _hardware(folder / "mtd", node)
    etc = folder / "flash/etc"
    words = {"name": node.name, "address": node.address, "gateway": node.uplink.peer_address}
    for name, text in CONFIGS.items():
        (etc / "config" / name).write_text(text.format(**words))
    (etc / "snmp/snmpd.conf").write_text(_snmp(node))
    (etc / "dropbear/authorized_keys").write_text(client_key + "\n")
    for path, mode in ((etc / "dropbear", 0o700), (etc / "dropbear/authorized_keys", 0o600)):
        path.chmod(mode)
    shown = _host_key(etc / "dropbear/dropbear_ed25519_host_key")
    for part in FLASHED:
        shutil.copytree(folder / part, folder / "pristine" / part)
    return shown


def _hardware(mtd: Path, node: Node) -> None:
    serial = f"LS{node.uplink.mac.replace(':', '').upper()}"
    (mtd / "hardware").write_text(
        f"BOARD='{node.board}'\nMODEL='{MODEL_NAMES[node.board]}'\nSERIAL='{serial}'\nCOMPAT='1.0'\n"
    )
    for bank in ("bank1", "bank2") if node.board == DUAL else ("bank1",):
        (mtd / bank).write_text(f"VERSION='{VERSION}'\nREVISION='{REVISION}'\n")
    (mtd / "boot_part").write_text("1\n")
    (mtd / "links").write_text(wires.link_file(node.links))


def _snmp(node: Node) -> str:
    engine = (b"\x80\x00\x1f\x88\x04" + f"{node.address} {node.name}".encode()).hex()
    return (
        "agentaddress udp:161\n"
        f"exactEngineID 0x{engine}\n"
        f"createUser {SNMP_USER} SHA-256 {SNMP_AUTH} AES {SNMP_PRIV}\n"
        f"rouser {SNMP_USER} priv\n"
        f"sysName {node.name}\n"
        "sysLocation a namespace\n"
    )


def _host_key(path: Path) -> HostKey:
    made = subprocess.run(
        [require_peer("dropbearkey"), "-t", "ed25519", "-f", path], capture_output=True, text=True, check=True
    )
    found = re.search(r"^(ssh-ed25519) (\S+)", made.stdout, re.MULTILINE)
    assert found, made.stdout
    return HostKey(found[1], found[2])
