"""The file system all nodes of a lab share below their own flash: busybox, our stand-ins, Debian's servers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import require_peer

STAND_INS = Path(__file__).parent / "rootfs"
SERVERS = ("dropbear", "dropbearkey", "snmpd")
FOLDERS = (
    "dev mnt mtd proc root/.ssh sys tmp usr/bin usr/lib etc/config etc/crontabs etc/dropbear etc/rc.d etc/snmp/state"
)
SERVICES = ("boot", "cron", "dropbear", "network", "rpcd", "snmpd", "system")
LINKS = {
    "var": "tmp",
    "root/.ssh/authorized_keys": "/etc/dropbear/authorized_keys",
}
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/ash\n",
    "etc/group": "root:x:0:\n",
    "etc/shells": "/bin/ash\n",
    "etc/sysupgrade.conf": "/etc/snmp/\n",
}


def python_prefix() -> Path:
    """Where the interpreter lives that runs these tests; the nodes see it at the same place, read-only."""
    return Path(sys.base_prefix)


def build(lower: Path) -> None:
    """Make the shared file system."""
    shutil.copytree(STAND_INS, lower, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in FOLDERS.split():
        (lower / folder).mkdir(parents=True, exist_ok=True)
    (lower / "root").chmod(0o700)
    (lower / "root/.ssh").chmod(0o700)
    _programs(lower)
    for name, target in LINKS.items():
        (lower / name).symlink_to(target)
    for name, text in FILES.items():
        (lower / name).write_text(text)
    for service in SERVICES:
        start = next(
            line.removeprefix("START=")
            for line in (lower / f"etc/init.d/{service}").read_text().splitlines()
            if line.startswith("START=")
        )
        (lower / f"etc/rc.d/S{start}{service}").symlink_to(f"../init.d/{service}")


def _programs(lower: Path) -> None:
    """Busybox under all its names except those of our stand-ins; the servers; Python; where their libraries are."""
    own = {path.name for path in lower.rglob("*") if path.is_file()}
    busybox = require_peer("busybox")
    shutil.copy2(busybox, lower / "bin/busybox")
    # Asked of the original: a fork of another thread may still have the copy open for writing.
    names = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in names:
        if name not in own and not (lower / "bin" / name).exists():
            (lower / "bin" / name).symlink_to("busybox")
    for server in SERVERS:
        shutil.copy2(require_peer(server), lower / "usr/sbin" / server)
    prefix, program = python_prefix(), Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    if prefix == Path("/usr"):
        shutil.copy2(program, lower / "usr/bin/python3")
    else:
        (lower / prefix.relative_to("/")).mkdir(parents=True, exist_ok=True)
        (lower / "usr/bin/python3").symlink_to(program)
    _loader(lower)


def _loader(lower: Path) -> None:
    """Programs name their loader by an absolute path that leads into /usr/lib, which the nodes share with the host."""
    for loader in (*Path("/lib").glob("ld-linux*"), *Path("/lib64").glob("ld-linux*")):
        place = lower / loader.relative_to("/")
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(loader.resolve())
    for folder in Path("/usr/lib").glob("*-linux-gnu*"):
        (lower / "lib" / folder.name).symlink_to(folder)
    if Path("/etc/ld.so.cache").exists():
        shutil.copy2("/etc/ld.so.cache", lower / "etc")
