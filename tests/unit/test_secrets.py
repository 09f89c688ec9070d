"""Secrets in the desktop's keyring: whatever is wrong with it is said, and is no one else's trouble."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from console.errors import SecretError
from console.secrets import SecretRef, resolve


class Broken(KeyringBackend):
    """One whose session bus is gone."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        if username == "there":
            return "s3cret"
        if username == "nowhere":
            return None
        raise RuntimeError("the session bus is gone")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def broken() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(Broken())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


def test_a_keyring_that_breaks_is_a_secret_that_cannot_be_had() -> None:
    assert resolve(SecretRef(keyring="there"), "x", Path()) == "s3cret"
    with pytest.raises(SecretError, match="the keyring holds no"):
        resolve(SecretRef(keyring="nowhere"), "x", Path())
    with pytest.raises(SecretError, match="the session bus is gone"):
        resolve(SecretRef(keyring="broken"), "x", Path())
