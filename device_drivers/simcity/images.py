"""Firmware images of the simulated city: one JSON line that says what is inside, then made-up bytes. Pure."""

from __future__ import annotations

import hashlib
import random
from typing import Final

import msgspec

MAGIC: Final = b"LEITSTAND-SIM-IMAGE "


class Header(msgspec.Struct, frozen=True):
    """What a simulated node reads from an image. `body_sha256` stands for the maker's signature.

    The percentages are fates: of a hundred nodes that take this image, so many do not come back, fall back to
    their other bank (dual-bank nodes), come back unchanged, or hang with the upgrade never ending.
    """

    boards: list[str]
    version: str
    revision: str
    body_sha256: str
    compat_version: str = "1.0"
    brick_pct: int = 0
    fall_back_pct: int = 0
    unchanged_pct: int = 0
    hang_pct: int = 0


def make(
    boards: list[str], version: str, revision: str, *, size: int = 100_000, compat_version: str = "1.0", **fates: int
) -> bytes:
    """An image for these boards; the same arguments give the same bytes."""
    body = random.Random(f"{boards}{version}{revision}").randbytes(size)
    header = Header(boards, version, revision, hashlib.sha256(body).hexdigest(), compat_version, **fates)
    return MAGIC + msgspec.json.encode(header) + b"\n" + body


def read(image: bytes) -> Header | None:
    """The header, None when this is no image of ours."""
    line, _, _ = image[:65_536].partition(b"\n")
    if not line.startswith(MAGIC):
        return None
    try:
        return msgspec.json.decode(line[len(MAGIC) :], type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def is_signed(image: bytes, header: Header) -> bool:
    """Whether the bytes behind the header are the maker's."""
    return hashlib.sha256(image[image.index(b"\n") + 1 :]).hexdigest() == header.body_sha256
