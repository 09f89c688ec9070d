"""Host keys: what a node showed, what we trust, and the two refusals. Writes only the known-hosts file it is given."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import hmac
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import paramiko
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

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


class HostKeyRevoked(Refused):
    """The node shows a key that a `@revoked` line names: whoever has it may be anybody, whatever other lines say."""

    word = "shows a host key that is revoked"

    def __init__(self, device: str, shown: HostKey, path: Path) -> None:
        super().__init__(device, f"{shown.algorithm} {shown.fingerprint}, named by a @revoked line of {path}")
        self.shown = shown


def of_paramiko(key: paramiko.PKey) -> HostKey:
    """The same key in our form."""
    return HostKey(key.get_name(), key.get_base64())


def entry(host: str, port: int) -> str:
    """The name under which OpenSSH files a host (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    return host if port == 22 else f"[{host}]:{port}"


Lines = Mapping[str, Sequence[str]]
"""A file's lines by the names they are for; those of hashed names stand under HASHED."""
HASHED: Final = "|1|"
REVOKED: Final = "@revoked"
"""The other marker of sshd(8) is @cert-authority: an authority's key is no host's, so its lines confirm nothing."""


def load(path: Path) -> Lines:
    """Read the file; a missing one is empty. Lines are taken apart only where one is needed. Raises Refused."""
    found: dict[str, list[str]] = {}
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return found
    except OSError as error:
        raise Refused(path.name, f"{path} cannot be read: {error.strerror}") from error
    for line in map(str.strip, text.splitlines()):
        if line.startswith("@"):
            marker, *rest = line.split(None, 1)
            found.setdefault(marker, []).extend(rest)
            continue
        for name in line.split(None, 1)[0].split(",") if line and not line.startswith("#") else ():
            found.setdefault(HASHED if name.startswith(HASHED) else name, []).append(line)
    return found


def _key_in(line: str) -> HostKey | None:
    """The key of a line; one that holds none trusts nobody."""
    try:
        found = HostKeyEntry.from_line(line)
    except (paramiko.SSHException, InvalidHostKey, ValueError):
        return None
    return None if found is None else of_paramiko(found.key)


def _is_for(line: str, name: str) -> bool:
    """Whether one of the line's hashed names is this one: HMAC-SHA1 with a salt, both in base64 (`HashKnownHosts`)."""
    for hashed in line.split(None, 1)[0].split(","):
        salt, _, digest = hashed.removeprefix(HASHED).partition("|")
        with contextlib.suppress(ValueError):  # no base64
            made = hmac.digest(base64.b64decode(salt), name.encode(), "sha1")
            if hashed.startswith(HASHED) and hmac.compare_digest(made, base64.b64decode(digest)):
                return True
    return False


_loaded: dict[Path, tuple[tuple[int, int, int], Lines]] = {}
"""Files as they were read last: hundreds of nodes look their key up in one of thousands of lines."""


def _current(path: Path) -> Lines:
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
    """Every key a person confirmed for this host; several of one kind count alike, as with OpenSSH."""
    lines, name = _current(path), entry(host, port)
    ours = [*lines.get(name, ()), *(line for line in lines.get(HASHED, ()) if _is_for(line, name))]
    return list(dict.fromkeys(filter(None, map(_key_in, ours))))


def _matches(line: str, name: str) -> bool:
    """Whether the line's list of names means this one: as it is, hashed, or by * and ?; one with ! takes it out."""
    means = _is_for(line, name)
    for pattern in line.split(None, 1)[0].lower().split(","):
        if re.fullmatch(_wild(pattern.removeprefix("!")), name.lower()):
            if pattern.startswith("!"):
                return False
            means = True
    return means


def _wild(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")


def refuse_revoked(device: str, path: Path, host: str, port: int, shown: HostKey) -> None:
    """Raise HostKeyRevoked when a `@revoked` line that means this host names the shown key."""
    name = entry(host, port)
    for line in _current(path).get(REVOKED, ()):
        if shown == _key_in(line) and _matches(line, name):
            raise HostKeyRevoked(device, shown, path)


def confirm(path: Path, host: str, port: int, key: HostKey, *, only: bool = False) -> None:
    """Add one confirmed key, as the `only` one of this host instead of every other; on disk before it returns,
    readable by its owner only. Raises Refused."""
    with _alone(path) as place:
        kept = [line for line in _lines(place) if not (only and _names(line, host, port))]
        _replace(place, [*kept, f"{entry(host, port)} {key.algorithm} {key.body}"])


def forget(path: Path, host: str, port: int) -> int:
    """Remove every key of this host, after a replacement of the node; returns how many were removed. Raises Refused."""
    with _alone(path) as place:
        lines = _lines(place)
        kept = [line for line in lines if not _names(line, host, port)]
        if len(kept) < len(lines):
            _replace(place, kept)
    return len(lines) - len(kept)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[Path]:
    """The file itself, while nobody else changes it. Its directory is locked: the file is replaced each time."""
    try:
        place = path.resolve()
        handle = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield place
        finally:
            os.close(handle)
    except OSError as error:
        raise Refused(path.name, f"{path} cannot be written: {error.strerror}") from error


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if path.exists() else []


def _names(line: str, host: str, port: int) -> bool:
    name, words = entry(host, port), line.split(None, 1)
    return bool(words) and (name in words[0].split(",") or _is_for(line, name))


def _replace(path: Path, lines: list[str]) -> None:
    """Whole or not at all, readable by its owner only."""
    draft = path.with_name(path.name + ".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def check(device: str, path: Path, host: str, port: int, shown: HostKey) -> None:
    """Raise HostKeyRevoked, HostKeyUnknown or HostKeyChanged unless the shown key is one of those confirmed."""
    refuse_revoked(device, path, host, port, shown)
    trusted = confirmed(path, host, port)
    if not trusted:
        raise HostKeyUnknown(device, shown)
    if shown not in trusted:
        same = [key for key in trusted if key.algorithm == shown.algorithm]
        raise HostKeyChanged(device, (same or trusted)[0], shown)
