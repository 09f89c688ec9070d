"""The store's key: in the desktop keyring, or in a 0600 file beside the store. Only this module reads or makes it."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from local_store.errors import StoreError
from local_store.sqlite import ENCRYPTS

Source = Literal["auto", "keyring", "file"]
KEY_FILE: Final = "store.key"
KEY_BYTES: Final = 32
SERVICE: Final = "leitstand-store"


class KeyRefused(StoreError):
    """The key cannot be had or its file is open to others."""


@dataclass(frozen=True, slots=True)
class StoreKey:
    """The raw key and where it lies: `keyring`, `file`, or `none` where this platform cannot encrypt."""

    raw: bytes | None = field(repr=False)
    place: Literal["keyring", "file", "none"]


def store_key(directory: Path, source: Source = "auto", *, create: bool = True) -> StoreKey:
    """Find the key of a store, or make one for a store that does not exist yet.

    `auto` uses the key file where there is one, then the keyring where a desktop offers one, else a new key file.
    Raises KeyRefused when an existing store's key is missing, or its file can be read by others.
    """
    if not ENCRYPTS:
        return StoreKey(None, "none")
    path = directory / KEY_FILE
    if source != "keyring" and path.exists():
        return StoreKey(_read(path), "file")
    if source == "keyring" or (source == "auto" and _desktop()):
        found = _from_keyring(directory, create=create and not _has_store(directory), must=source == "keyring")
        if found is not None:
            return StoreKey(found, "keyring")
    if _has_store(directory) or not create:
        raise KeyRefused(
            f"the key of the store in {directory} is missing: expected {path} or an entry of the keyring; without it "
            "the store cannot be read, so bring the key back or start a new store elsewhere"
        )
    return StoreKey(_write(path), "file")


def _has_store(directory: Path) -> bool:
    return any((directory / name).exists() for name in ("ops.db", "telemetry.db"))


def _read(path: Path) -> bytes:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeyRefused(f"{path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`")
    text = path.read_text(encoding="ascii", errors="replace").strip()
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise KeyRefused(f"{path} holds no key: expected {2 * KEY_BYTES} hexadecimal digits")
    return raw


def _write(path: Path) -> bytes:
    """Make a key file; on disk before it is used, never over an existing one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    raw = secrets.token_bytes(KEY_BYTES)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, raw.hex().encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    return raw


def _desktop() -> bool:
    """Whether a keyring can answer without somebody at a prompt that nobody sees."""
    if sys.platform != "linux":
        return True
    return bool(
        os.environ.get("DBUS_SESSION_BUS_ADDRESS") and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    )


def _from_keyring(directory: Path, *, create: bool, must: bool) -> bytes | None:
    import keyring
    from keyring.errors import KeyringError

    name = str(directory.resolve())
    try:
        text = keyring.get_password(SERVICE, name)
        if text is None and create:
            text = secrets.token_hex(KEY_BYTES)
            keyring.set_password(SERVICE, name, text)
    except KeyringError as error:
        if must:
            raise KeyRefused(f'the keyring does not answer ({error}): choose `key = "file"` in [store]') from error
        return None
    return None if text is None else bytes.fromhex(text)
