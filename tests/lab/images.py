"""Firmware images the lab's nodes understand: made-up bytes with the metadata of OpenWrt's fwtool behind them. Pure."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence

from tests.lab.tree import DUAL, SINGLE

NEWER, NEWER_REVISION = "23.05.5", "r24106-10cc5fcd00"


def make(
    boards: Sequence[str] = (SINGLE, DUAL),
    version: str = NEWER,
    revision: str = NEWER_REVISION,
    size: int = 900_000,
    compat: str = "1.0",
) -> bytes:
    """One image; the same arguments give the same bytes."""
    body = random.Random(f"{version} {revision}").randbytes(size)
    meta = {
        "metadata_version": "1.1",
        "compat_version": compat,
        "supported_devices": list(boards),
        "payload_sha256": hashlib.sha256(body).hexdigest(),
        "version": {"dist": "OpenWrt", "version": version, "revision": revision, "target": "lab/generic"},
    }
    return body + b"\nFWx0" + json.dumps(meta).encode() + b"\n"


def tampered(image: bytes) -> bytes:
    """The same with one bit of its body turned over."""
    return bytes([image[0] ^ 1]) + image[1:]
