"""The store's two secrets: the raw key of its files and the key that signs audit heads. Only this module keeps them."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local_store.errors import StoreError
from local_store.files import is_private, own_directory, size_of, write_once
from local_store.sqlite import ENCRYPTS
from local_store.vault import Vault, VaultFailed, answer_of, keeps, system_vault

Source = Literal["auto", "keyring", "file"]
Place = Literal["keyring", "file", "none"]
KEY_FILE: Final = "store.key"
AUDIT_FILE: Final = "audit.key"
ID_FILE: Final = "store.id"
"""Names the keyring's entries, so that a store can be moved; it is no secret."""
KEY_BYTES: Final = 32
SERVICE: Final = "leitstand"
_FILES: Final = ("ops.db", "telemetry.db")


class KeyRefused(StoreError):
    """A key is missing, open to others or unreadable; the store stays closed and no key is made in its place."""


@dataclass(frozen=True, slots=True)
class StoreKey:
    """The raw key and where it lies: `keyring`, `file`, or `none` where this platform cannot encrypt."""

    raw: bytes | None = field(repr=False)
    place: Place


def store_key(
    directory: Path,
    source: Source = "auto",
    *,
    create: bool = True,
    vault: Callable[[], Vault | None] = system_vault,
) -> StoreKey:
    """Find the key of a store, or make one for a store that does not exist yet.

    A store keeps the place its key was made in; `source` says where a new key goes: `auto` takes a keyring that works
    without asking anybody, else a file. Raises KeyRefused when an existing store's key cannot be had.
    """
    if not ENCRYPTS:
        return StoreKey(None, "none")
    place = _place(directory, source, create, vault)
    return StoreKey(_secret(directory, place, "store", source, create and not _has_store(directory), vault), place)


def signing_key(
    directory: Path, source: Source = "auto", *, create: bool = True, vault: Callable[[], Vault | None] = system_vault
) -> Ed25519PrivateKey:
    """The key that signs audit heads, beside the store's key but never in the same file or entry."""
    place = _place(directory, source, create, vault)
    return Ed25519PrivateKey.from_private_bytes(_secret(directory, place, "audit", source, create, vault))


def fingerprint(key: bytes | None) -> str:
    """Tells keys apart without giving them away; empty for an unencrypted store."""
    return hashlib.sha256(b"leitstand store key\x00" + key).hexdigest()[:16] if key else ""


def store_id(directory: Path) -> str:
    """The name under which a keyring holds this store's keys; empty when they are files."""
    path = directory / ID_FILE
    return path.read_text(encoding="ascii").strip() if path.exists() else ""


def _has_store(directory: Path) -> bool:
    return any(size_of(directory / name) for name in _FILES)


def _place(
    directory: Path, source: Source, create: bool, vault: Callable[[], Vault | None]
) -> Literal["keyring", "file"]:
    """Where this store's keys are, or will be."""
    if (directory / KEY_FILE).exists() or (directory / AUDIT_FILE).exists():
        return "file"
    if (directory / ID_FILE).exists():
        return "keyring"
    if not create or (_has_store(directory) and ENCRYPTS):
        raise KeyRefused(
            f"the key of the store in {directory} is missing: expected {directory / KEY_FILE} or, for a key in the "
            f"keyring, {ID_FILE}; bring it back, or start a new store elsewhere"
        )
    own_directory(directory)
    if source == "file":
        return "file"
    found = vault()
    if found is not None and keeps(found, SERVICE):
        write_once(directory / ID_FILE, os.urandom(16).hex().encode() + b"\n")
        return "keyring"
    if source == "keyring":
        raise KeyRefused('the keyring does not answer: unlock it, or choose `key = "file"` in [store]')
    return "file"


def _secret(
    directory: Path,
    place: Place,
    what: Literal["store", "audit"],
    source: Source,
    create: bool,
    vault: Callable[[], Vault | None],
) -> bytes:
    if place == "file":
        return _from_file(directory / (KEY_FILE if what == "store" else AUDIT_FILE), create)
    found = None if source == "file" else vault()
    if found is None:
        raise KeyRefused(
            f"the key of the store in {directory} is in a keyring, which is not here or not to be used: log in on the "
            "desktop it was made on, or start a new store elsewhere"
        )
    with (directory / ID_FILE).open("rb") as held:
        # Two first starts at once must not each make a key: the second waits and reads the first one's.
        fcntl.flock(held, fcntl.LOCK_EX)
        return _from_vault(found, f"{store_id(directory)}/{what}", create)


def _from_file(path: Path, create: bool) -> bytes:
    """Read a key file, making it where that is allowed. Of two who make it at once, both use the first."""
    if not path.exists():
        if not create:
            raise KeyRefused(f"{path} is missing: bring it back, without it the store cannot be read or checked")
        write_once(path, os.urandom(KEY_BYTES).hex().encode() + b"\n")
    if not is_private(path):
        mode = path.lstat().st_mode & 0o7777
        raise KeyRefused(f"{path} can be read by others or is not yours (mode {mode:04o}): run `chmod 600 {path}`")
    return _parse(path.read_text(encoding="ascii", errors="replace"), str(path))


def _from_vault(vault: Vault, name: str, create: bool) -> bytes:
    try:
        found = answer_of(lambda: vault.get_password(SERVICE, name))
        if found is None and create:
            made = os.urandom(KEY_BYTES).hex()
            answer_of(lambda: vault.set_password(SERVICE, name, made))
            found = answer_of(lambda: vault.get_password(SERVICE, name))
    except VaultFailed as error:
        raise KeyRefused(
            f"the keyring did not give the entry {SERVICE} {name} ({error}): unlock it, then again"
        ) from error
    if found is None:
        raise KeyRefused(f"the keyring has no entry {SERVICE} {name}: use the account that made this store")
    return _parse(found, f"the keyring's entry {SERVICE} {name}")


def _parse(text: str, where: str) -> bytes:
    try:
        raw = bytes.fromhex(text.strip())
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise KeyRefused(f"{where} holds no key: expected {2 * KEY_BYTES} hexadecimal digits")
    return raw
