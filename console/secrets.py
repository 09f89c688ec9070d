"""Secrets by reference: a 0600 file, an environment variable, or the desktop keyring."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from console.errors import SecretError
from console.texts import _
from local_store.vault import VaultFailed, answer_of

KEYRING_SERVICE = "leitstand"
UNLOCKED_WITHIN_S = 60.0
"""For a person who is asked to unlock it; a service that waits for nobody must go on with its other nodes."""


class SecretRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Exactly one of `{ file = "PATH" }`, `{ env = "NAME" }`, `{ keyring = "NAME" }`."""

    file: str | None = None
    env: str | None = None
    keyring: str | None = None

    def __post_init__(self) -> None:
        if sum(one is not None for one in (self.file, self.env, self.keyring)) != 1:
            raise ValueError(_('a secret is one of { file = "PATH" }, { env = "NAME" }, { keyring = "NAME" }'))


def resolve(reference: SecretRef | None, what: str, base: Path) -> str:
    """The secret itself; relative files lie beside the configuration. Raises SecretError with a way out."""
    if reference is None:
        return ""
    if reference.env is not None:
        value = os.environ.get(reference.env)
        if not value:
            text = _("{what}: the environment variable {name} is not set")
            raise SecretError(text.format(what=what, name=reference.env))
        return value
    if reference.file is not None:
        try:
            return _from_file(base / Path(reference.file).expanduser(), what)
        except RuntimeError as error:  # the home directory of a user who does not exist
            text = _("{what}: the secret file {path} cannot be read: {error}")
            raise SecretError(text.format(what=what, path=reference.file, error=error)) from error
    return _from_keyring(str(reference.keyring), what)


def _from_file(path: Path, what: str) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            text = _("{what}: {path} can be read by others (mode {mode:04o}); run `chmod 600 {path}`")
            raise SecretError(text.format(what=what, path=path, mode=mode))
        secret = path.read_text(encoding="utf-8").strip("\r\n")
    except OSError as error:
        text = _("{what}: the secret file {path} cannot be read: {error}")
        raise SecretError(text.format(what=what, path=path, error=error.strerror)) from error
    except UnicodeDecodeError:  # its text would quote the secret's bytes
        raise SecretError(_("{what}: the secret file {path} is not UTF-8 text").format(what=what, path=path)) from None
    if not secret:
        raise SecretError(_("{what}: the secret file {path} is empty").format(what=what, path=path))
    return secret


def _from_keyring(name: str, what: str) -> str:
    import keyring

    try:
        value = answer_of(lambda: keyring.get_password(KEYRING_SERVICE, name), UNLOCKED_WITHIN_S)
    except VaultFailed as error:
        raise SecretError(_("{what}: the keyring does not answer: {error}").format(what=what, error=error)) from error
    if value is None:
        text = _("{what}: the keyring holds no {name!r}; run `keyring set {service} {name}`")
        raise SecretError(text.format(what=what, name=name, service=KEYRING_SERVICE))
    return value
