"""Identifiers that sort by time (RFC 9562 section 5.7), made from a given time and a given source of randomness."""

from __future__ import annotations

import random
import uuid


def uuid7(now_ms: int, rng: random.Random) -> str:
    """48 bits of milliseconds, 74 random bits, version 7, variant 10."""
    number = (now_ms & (1 << 48) - 1) << 80 | 0x7 << 76 | rng.getrandbits(12) << 64 | 0b10 << 62 | rng.getrandbits(62)
    return str(uuid.UUID(int=number))
