"""Keys of a store: where they are made, that they stay private, and that a lost one is never replaced."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from keyring.errors import KeyringLocked

from local_store import keys, vault
from local_store.db import Store
from local_store.keys import KeyRefused, signing_key, store_key


class Ring:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str, /) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str, /) -> None:
        self.kept[service, username] = password


class LockedRing(Ring):
    """A keyring nobody unlocked."""

    def get_password(self, service: str, username: str, /) -> str | None:
        raise KeyringLocked("locked")

    def set_password(self, service: str, username: str, password: str, /) -> None:
        raise KeyringLocked("locked")


def no_ring() -> None:
    return None


def test_without_a_keyring_a_private_file_is_made_once(tmp_path: Path) -> None:
    place = tmp_path / "store"
    first = store_key(place, vault=no_ring)
    assert first.place == "file"
    assert store_key(place, vault=no_ring, create=False) == first
    assert stat.S_IMODE((place / keys.KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    signer = signing_key(place, vault=no_ring)
    assert signer.private_bytes_raw() == signing_key(place, vault=no_ring, create=False).private_bytes_raw()
    assert signer.private_bytes_raw() != first.raw
    assert sorted(path.name for path in place.iterdir()) == [keys.AUDIT_FILE, keys.KEY_FILE]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    store_key(tmp_path, "file")
    (tmp_path / keys.KEY_FILE).chmod(mode)
    with pytest.raises(KeyRefused, match="chmod 600"):
        store_key(tmp_path, "file")


def test_a_key_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    store_key(tmp_path / "a", "file")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / keys.KEY_FILE).symlink_to(tmp_path / "a" / keys.KEY_FILE)
    with pytest.raises(KeyRefused):
        store_key(tmp_path / "b", "file")


@pytest.mark.parametrize("content", ["", "abc", "zz" * 32, "00" * 31, "\xff\xfe"])
def test_a_key_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    store_key(tmp_path, "file")
    (tmp_path / keys.KEY_FILE).write_text(content, encoding="latin-1")
    with pytest.raises(KeyRefused, match="hexadecimal"):
        store_key(tmp_path, "file")


def test_a_lost_key_is_never_replaced(tmp_path: Path) -> None:
    Store(tmp_path, store_key(tmp_path, "file").raw).close()
    (tmp_path / keys.KEY_FILE).rename(tmp_path / "elsewhere")
    with pytest.raises(KeyRefused, match="missing"):
        store_key(tmp_path, "file")
    assert not (tmp_path / keys.KEY_FILE).exists()


def test_reading_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="missing"):
        store_key(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_a_keyring_keeps_the_key_and_the_store_may_move(tmp_path: Path) -> None:
    ring = Ring()
    first = store_key(tmp_path / "a", vault=lambda: ring)
    assert first.place == "keyring"
    signer = signing_key(tmp_path / "a", vault=lambda: ring)
    assert not (tmp_path / "a" / keys.KEY_FILE).exists()
    Store(tmp_path / "a", first.raw).close()
    (tmp_path / "a").rename(tmp_path / "b")
    assert store_key(tmp_path / "b", vault=lambda: ring, create=False) == first
    assert signing_key(tmp_path / "b", vault=lambda: ring).private_bytes_raw() == signer.private_bytes_raw()
    for other in (no_ring, Ring):
        with pytest.raises(KeyRefused, match="keyring"):
            store_key(tmp_path / "b", vault=other)
    with pytest.raises(KeyRefused, match="not to be used"):
        store_key(tmp_path / "b", "file", vault=lambda: ring)


def test_a_locked_keyring_is_not_trusted_with_a_new_store(tmp_path: Path) -> None:
    assert store_key(tmp_path / "a", vault=LockedRing).place == "file"
    with pytest.raises(KeyRefused, match="does not answer"):
        store_key(tmp_path / "b", "keyring", vault=LockedRing)
    assert list((tmp_path / "b").iterdir()) == []


def test_a_keyring_that_waits_for_a_person_is_given_up() -> None:
    person = threading.Event()
    with pytest.raises(vault.VaultFailed, match="no answer"):
        vault.answer_of(person.wait, within_s=0.01)
    person.set()


def test_the_environment_turns_the_keyring_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEITSTAND_KEYRING", "off")
    assert vault.system_vault() is None


@pytest.mark.parametrize("ring", [None, Ring()], ids=["file", "keyring"])
def test_eight_first_starts_at_once_get_one_key(tmp_path: Path, ring: Ring | None) -> None:
    ready, found = threading.Barrier(8), list[keys.StoreKey]()

    def start() -> None:
        ready.wait()
        found.append(store_key(tmp_path, vault=lambda: ring))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    key = store_key(tmp_path, "file")
    assert key.raw is not None
    assert key.raw.hex() not in repr(key)
    assert repr(key.raw) not in repr(key)
    assert key.raw.hex() not in keys.fingerprint(key.raw)
