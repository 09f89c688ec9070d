"""Host keys: what a node showed, what we trust, and the two refusals. Writes only the known-hosts file it is given."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import paramiko

from device_drivers.errors import Refused


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public host key as seen on the wire: its algorithm and base64 body (RFC 4253 section 6.6)."""

    algorithm: str
    body: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 in OpenSSH's form, to compare by eye with the label or `ssh-keygen -lf`."""
        digest = hashlib.sha256(base64.b64decode(self.body)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


class HostKeyUnknown(Refused):
    """First contact: a person has to compare the fingerprint before anything is sent."""

    word = "shows a host key nobody has confirmed"

    def __init__(self, device: str, key: HostKey) -> None:
        super().__init__(device, f"{key.algorithm} {key.fingerprint}")
        self.key = key


class HostKeyChanged(Refused):
    """The node shows another key than the confirmed one: stop everything for it until a person decided."""

    word = "shows another host key than the confirmed one"

    def __init__(self, device: str, confirmed: HostKey, shown: HostKey) -> None:
        super().__init__(device, f"confirmed {confirmed.fingerprint}, shown {shown.fingerprint}")
        self.confirmed = confirmed
        self.shown = shown


def of_paramiko(key: paramiko.PKey) -> HostKey:
    """The same key in our form."""
    return HostKey(key.get_name(), key.get_base64())


def entry(host: str, port: int) -> str:
    """The name under which OpenSSH files a host (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    return host if port == 22 else f"[{host}]:{port}"


def load(path: Path) -> paramiko.HostKeys:
    """Read the file; a missing one is empty."""
    keys = paramiko.HostKeys()
    if path.exists():
        keys.load(str(path))
    return keys


_loaded: dict[Path, tuple[tuple[int, int, int], paramiko.HostKeys]] = {}
"""Files as they were read last: paramiko takes 0.2 ms to read a line, and hundreds of nodes look their key up in it."""


def _current(path: Path) -> paramiko.HostKeys:
    """What the file holds now; read again only when it is another one, or longer or newer."""
    try:
        seen = path.stat()
    except OSError:
        return load(path)
    stamp = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
    kept = _loaded.get(path)
    if kept is None or kept[0] != stamp:
        kept = _loaded[path] = (stamp, load(path))
    return kept[1]


def confirmed(path: Path, host: str, port: int) -> list[HostKey]:
    """Every key a person confirmed for this host."""
    found = _current(path).lookup(entry(host, port))
    return [] if found is None else [of_paramiko(found[name]) for name in found]


def confirm(path: Path, host: str, port: int, key: HostKey) -> None:
    """Append one confirmed key; on disk before it returns, readable by its owner only."""
    line = f"{entry(host, port)} {key.algorithm} {key.body}\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line.encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def forget(path: Path, host: str, port: int) -> int:
    """Remove every key of this host, after a replacement of the node; returns how many were removed."""
    if not path.exists():
        return 0
    name = entry(host, port)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if name not in line.split(" ", 1)[0].split(",")]
    draft = path.with_name(path.name + ".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, "".join(kept).encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    draft.replace(path)
    return len(lines) - len(kept)


def check(device: str, trusted: list[HostKey], shown: HostKey) -> None:
    """Raise HostKeyUnknown or HostKeyChanged unless the shown key is one of the trusted ones."""
    if not trusted:
        raise HostKeyUnknown(device, shown)
    if shown not in trusted:
        same = [key for key in trusted if key.algorithm == shown.algorithm]
        raise HostKeyChanged(device, (same or trusted)[0], shown)
