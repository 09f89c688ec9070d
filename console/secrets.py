"""Secrets by reference: a 0600 file, an environment variable, or the desktop keyring."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from console.errors import SecretError

KEYRING_SERVICE = "leitstand"


class SecretRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Exactly one of `{ file = "PATH" }`, `{ env = "NAME" }`, `{ keyring = "NAME" }`."""

    file: str | None = None
    env: str | None = None
    keyring: str | None = None

    def __post_init__(self) -> None:
        if sum(one is not None for one in (self.file, self.env, self.keyring)) != 1:
            raise ValueError('a secret is one of { file = "PATH" }, { env = "NAME" }, { keyring = "NAME" }')


def resolve(reference: SecretRef | None, what: str, base: Path) -> str:
    """The secret itself; relative files lie beside the configuration. Raises SecretError with a way out."""
    if reference is None:
        return ""
    if reference.env is not None:
        value = os.environ.get(reference.env)
        if not value:
            raise SecretError(f"{what}: the environment variable {reference.env} is not set")
        return value
    if reference.file is not None:
        return _from_file(base / Path(reference.file).expanduser(), what)
    return _from_keyring(str(reference.keyring), what)


def _from_file(path: Path, what: str) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise SecretError(f"{what}: {path} can be read by others (mode {mode:04o}); run `chmod 600 {path}`")
        text = path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"{what}: the secret file {path} cannot be read: {error}") from error
    if not text:
        raise SecretError(f"{what}: the secret file {path} is empty")
    return text


def _from_keyring(name: str, what: str) -> str:
    import keyring
    from keyring.errors import KeyringError

    try:
        value = keyring.get_password(KEYRING_SERVICE, name)
    except KeyringError as error:
        raise SecretError(f"{what}: the keyring does not answer: {error}") from error
    if value is None:
        raise SecretError(f"{what}: the keyring holds no {name!r}; run `keyring set {KEYRING_SERVICE} {name}`")
    return value
