"""The signed protocol of an acceptance: one JSON file that shows by itself who found what, and when. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from local_store.audit import canonical

FORMAT: Final = "leitstand acceptance 1"
LARGEST: Final = 1 << 20


class NoProtocol(ValueError):
    """A text that is no protocol of ours."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of a protocol found. `key` is the signer's public key in hexadecimal digits."""

    genuine: bool
    key: str
    body: Mapping[str, Any]


def _statement(body: Mapping[str, Any]) -> bytes:
    return FORMAT.encode() + b"\x00" + canonical(body).encode()


def signed(body: Mapping[str, Any], signer: Ed25519PrivateKey) -> str:
    """The protocol's text."""
    whole = {
        "format": FORMAT,
        "body": body,
        "key": signer.public_key().public_bytes_raw().hex(),
        "signature": signer.sign(_statement(body)).hex(),
    }
    return json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def verify(text: str) -> Verdict:
    """Whether the body is what the key in it has signed; whose key that is, the caller knows. Raises NoProtocol."""
    if len(text) > LARGEST:
        raise NoProtocol("larger than any protocol")
    try:
        whole = json.loads(text)
        body, key, signature = whole["body"], bytes.fromhex(whole["key"]), bytes.fromhex(whole["signature"])
        public = Ed25519PublicKey.from_public_bytes(key)
        statement = _statement(body)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoProtocol(f"not a protocol of an acceptance ({type(error).__name__})") from error
    if whole.get("format") != FORMAT or not isinstance(body, dict):
        raise NoProtocol(f"not a protocol of the form `{FORMAT}`")
    try:
        public.verify(signature, statement)
    except InvalidSignature:
        return Verdict(False, key.hex(), body)
    return Verdict(True, key.hex(), body)
