"""Digests and ciphers of the User-based Security Model, keyed contexts kept warm. No I/O."""

from __future__ import annotations

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC

from device_drivers.snmp_ber import BerError
from device_drivers.snmp_keys import LocalKeys


def digest(keys: LocalKeys, message: bytes) -> bytes:
    """The truncated HMAC of a whole message whose own digest field is zero (RFC 3414 section 6.3.1)."""
    assert keys.mac is not None  # asked for only where a level with authentication is agreed
    context = keys.mac.copy()
    context.update(message)
    return context.digest()[: keys.digest_bytes]


def _aes(keys: LocalKeys, boots: int, time_s: int, salt: bytes) -> Cipher[CFB]:
    """RFC 3826 section 3.1.2.1: the IV is boots, time and the 64-bit salt in one row."""
    assert keys.cipher is not None
    return Cipher(keys.cipher, CFB(boots.to_bytes(4, "big") + time_s.to_bytes(4, "big") + salt))


def _des(keys: LocalKeys, salt: bytes) -> Cipher[CBC]:
    """Single DES as 3DES with equal keys; the last 8 key bytes make the IV (RFC 3414 section 8.1.1.1)."""
    iv = bytes(one ^ two for one, two in zip(keys.priv[8:16], salt, strict=True))
    return Cipher(TripleDES(keys.priv[:8] * 3), CBC(iv))


def encrypt(keys: LocalKeys, boots: int, time_s: int, salt: bytes, plain: bytes) -> bytes:
    """Encrypt a scoped PDU; `salt` has 8 bytes and must never repeat under one key."""
    if keys.priv_protocol == "des":
        padded = plain + bytes(-len(plain) % 8)
        return _des(keys, salt).encryptor().update(padded)
    return _aes(keys, boots, time_s, salt).encryptor().update(plain)


def decrypt(keys: LocalKeys, boots: int, time_s: int, salt: bytes, sealed: bytes) -> bytes:
    """Decrypt a scoped PDU; BerError when salt or length cannot be right. A wrong key yields noise, not an error."""
    if keys.priv_protocol is None:
        raise BerError("encrypted, and there is no key for it")
    if len(salt) != 8:
        raise BerError("privacy parameters that are not 8 bytes")
    if keys.priv_protocol == "des":
        if len(sealed) % 8:
            raise BerError("DES text that is no multiple of 8 bytes")
        return _des(keys, salt).decryptor().update(sealed)
    return _aes(keys, boots, time_s, salt).decryptor().update(sealed)
