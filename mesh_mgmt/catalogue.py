"""Which firmware image fits a node, and if none does, why. Pure; whether an image is genuine is asked elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

WhyNot = Literal[
    "no_board",
    "no_image",
    "expired",
    "already_there",
    "too_old",
    "other_compat",
    "too_little_memory",
    "other_board",
]

MEMORY_MARGIN_BYTES = 8 << 20
"""What a node keeps free beside a staged image: sysupgrade copies its tools into memory before it begins."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image of the catalogue."""

    sha256: str
    version: str
    revision: str
    boards: tuple[str, ...]
    size: int
    compat_version: str = "1.0"
    min_version: str = ""
    expires_ms: int = 0
    signed_by: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """What a node runs now; `compat_version` is "" where it does not say."""

    board_name: str
    version: str
    revision: str = ""
    compat_version: str = ""


def version_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sortable form: numbers as numbers, and a suffix such as -rc1 before the version without it."""
    main, _, suffix = text.partition("-")
    parts = [(1, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"[._]", main)]
    return (*parts, (0, 0, suffix) if suffix else (1, -1, ""))


def unusable(image: Image, now_ms: int) -> WhyNot | None:
    """Why the image may go to no node at all now."""
    return "expired" if now_ms >= image.expires_ms else None


def fits(image: Image, running: Running, now_ms: int) -> WhyNot | None:
    """Why this image may not go to this node; None when it may."""
    if running.board_name not in image.boards:
        return "other_board"
    if (running.version, running.revision or image.revision) == (image.version, image.revision):
        return "already_there"
    if image.min_version and version_key(running.version) < version_key(image.min_version):
        return "too_old"
    # fwtool refuses another major number always and a higher minor one unless the configuration is dropped.
    if running.compat_version and running.compat_version != image.compat_version:
        return "other_compat"
    return unusable(image, now_ms)


def choose(images: Iterable[Image], version: str, running: Running, now_ms: int) -> Image | WhyNot:
    """The image of this version for this node, or the most telling reason why there is none."""
    if not running.board_name:
        return "no_board"
    found: WhyNot = "no_image"
    for image in images:
        if image.version == version and running.board_name in image.boards:
            why = fits(image, running, now_ms)
            if why is None:
                return image
            found = why
    return found


def lacks_room(image: Image, mem_available_bytes: int, tmp_free_bytes: int) -> bool:
    """Whether staging the image would leave too little: /tmp is memory, so both are asked."""
    return min(mem_available_bytes, tmp_free_bytes) < image.size + MEMORY_MARGIN_BYTES
