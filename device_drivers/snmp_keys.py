"""From passwords to keys for SNMPv3 (RFC 3414 appendix A.2, RFC 7860, RFC 3826 and the two AES extensions). No I/O."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers.algorithms import AES

from device_drivers.api import AuthProtocol, PrivProtocol, SnmpCredentials

HASHES: dict[AuthProtocol, tuple[str, int]] = {
    "md5": ("md5", 12),
    "sha1": ("sha1", 12),
    "sha224": ("sha224", 16),
    "sha256": ("sha256", 24),
    "sha384": ("sha384", 32),
    "sha512": ("sha512", 48),
}
"""Name in hashlib and the bytes of the digest a message carries (RFC 3414 section 6, RFC 7860 section 4.1)."""

KEY_BYTES: dict[PrivProtocol, int] = {
    "des": 16,
    "aes128": 16,
    "aes192": 24,
    "aes256": 32,
    "aes192-cisco": 24,
    "aes256-cisco": 32,
}
MEGABYTE = 1_048_576


class KeyChoiceError(ValueError):
    """The credentials cannot make keys: too short a password, or privacy without authentication."""


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """Keys of one user at one engine; bytes that must not be shown. `mac` and `cipher` are keyed once, with them."""

    hash_name: str
    digest_bytes: int
    auth: bytes = field(repr=False)
    priv_protocol: PrivProtocol | None = None
    priv: bytes = field(default=b"", repr=False)
    mac: hmac.HMAC | None = field(init=False, repr=False, compare=False)
    cipher: AES | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        mac = hmac.new(self.auth, digestmod=self.hash_name) if self.hash_name else None
        cipher = AES(self.priv) if self.priv_protocol not in (None, "des") else None
        object.__setattr__(self, "mac", mac)
        object.__setattr__(self, "cipher", cipher)


NO_KEYS = LocalKeys("", 0, b"")


@lru_cache(maxsize=1024)
def master_key(hash_name: str, password: str) -> bytes:
    """Hash a megabyte of the repeated password (RFC 3414 A.2.1): milliseconds, so once per password."""
    raw = password.encode()
    if len(raw) < 8:
        raise KeyChoiceError("an SNMPv3 password has 8 characters at least (RFC 3414 section 11.2)")
    whole = (raw * (MEGABYTE // len(raw) + 1))[:MEGABYTE]
    return hashlib.new(hash_name, whole, usedforsecurity=False).digest()


def localize(hash_name: str, master: bytes, engine_id: bytes) -> bytes:
    """The key of this engine alone (RFC 3414 section 2.6)."""
    return hashlib.new(hash_name, master + engine_id + master, usedforsecurity=False).digest()


def extend_blumenthal(hash_name: str, key: bytes, size: int) -> bytes:
    """Append the hash of what is there until it is long enough (draft-blumenthal-aes-usm-04 section 3.1.2.1)."""
    while len(key) < size:
        key += hashlib.new(hash_name, key, usedforsecurity=False).digest()
    return key[:size]


def extend_reeder(hash_name: str, key: bytes, engine_id: bytes, size: int) -> bytes:
    """Run the key as a password again (draft-reeder-snmpv3-usm-3desede-00 section 2.1), as Cisco does for AES."""
    last = key
    while len(key) < size:
        repeated = (last * (MEGABYTE // len(last) + 1))[:MEGABYTE]
        master = hashlib.new(hash_name, repeated, usedforsecurity=False).digest()
        last = localize(hash_name, master, engine_id)
        key += last
    return key[:size]


def master_keys(credentials: SnmpCredentials) -> tuple[bytes, bytes]:
    """Both keys before any engine is known; KeyChoiceError when these credentials can make none."""
    if credentials.auth is None:
        if credentials.priv is not None:
            raise KeyChoiceError("SNMPv3 privacy needs authentication (RFC 3411 section 3.4.3)")
        return b"", b""
    name, _ = HASHES[credentials.auth]
    auth = master_key(name, credentials.auth_password)
    if credentials.priv is None:
        return auth, b""
    return auth, master_key(name, credentials.priv_password or credentials.auth_password)


@lru_cache(maxsize=65_536)
def local_keys(credentials: SnmpCredentials, engine_id: bytes) -> LocalKeys:
    """Both keys of these credentials at this engine; cached, because a poll must not derive anything."""
    auth_master, priv_master = master_keys(credentials)
    if credentials.auth is None:
        return NO_KEYS
    name, digest_bytes = HASHES[credentials.auth]
    auth = localize(name, auth_master, engine_id)
    if credentials.priv is None:
        return LocalKeys(name, digest_bytes, auth)
    priv = localize(name, priv_master, engine_id)
    size = KEY_BYTES[credentials.priv]
    if credentials.priv.endswith("-cisco"):
        priv = extend_reeder(name, priv, engine_id, size)
    else:
        priv = extend_blumenthal(name, priv, size)
    return LocalKeys(name, digest_bytes, auth, credentials.priv, priv)
