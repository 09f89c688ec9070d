"""The user's keyring, asked so that it can neither hang nor prompt a process that nobody looks at."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

T = TypeVar("T")
ANSWERS_WITHIN_S: Final = 5.0
ENOUGH_PRIORITY: Final = 1
"""Below are keyring's back ends that always fail, write plain files or ask on the terminal."""


class VaultFailed(Exception):
    """The keyring refused or did not answer."""


class Vault(Protocol):
    """What is used of a keyring."""

    def get_password(self, _service: str, _username: str, /) -> str | None:
        """The secret of that name, or None."""

    def set_password(self, _service: str, _username: str, _password: str, /) -> None:
        """Keep a secret."""


def system_vault() -> Vault | None:
    """The user's keyring if there is a good one; None on a machine without desktop and under LEITSTAND_KEYRING=off."""
    if os.environ.get("LEITSTAND_KEYRING", "").lower() in {"off", "no", "0"}:
        return None
    try:
        return answer_of(_best)
    except VaultFailed:
        return None


def _best() -> Vault | None:
    import keyring

    found = keyring.get_keyring()
    # The chainer would ask back ends that prompt on the terminal as well; one good one is enough.
    candidates = getattr(found, "backends", [found])
    best = max(candidates, key=lambda one: one.priority, default=None)
    return best if best is not None and best.priority >= ENOUGH_PRIORITY else None


def keeps(vault: Vault, service: str) -> bool:
    """Whether it keeps a secret, tried before anything is entrusted to it."""
    try:
        answer_of(lambda: vault.set_password(service, "trial", "kept"))
        return answer_of(lambda: vault.get_password(service, "trial")) == "kept"
    except VaultFailed:
        return False


def answer_of(ask: Callable[[], T], within_s: float = ANSWERS_WITHIN_S) -> T:
    """Ask in a thread of its own, because a locked keyring waits for a person for ever. Raises VaultFailed."""
    from keyring.errors import KeyringError

    answer: list[T] = []
    trouble: list[Exception] = []

    def run() -> None:
        try:
            answer.append(ask())
        except (KeyringError, OSError, RuntimeError, ValueError) as error:
            trouble.append(error)

    thread = threading.Thread(target=run, name="keyring", daemon=True)
    thread.start()
    thread.join(within_s)
    if answer:
        return answer[0]
    raise VaultFailed(str(trouble[0]) if trouble else f"no answer within {within_s:g} s")
