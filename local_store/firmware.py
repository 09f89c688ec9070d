"""Rows of firmware images (`ops.db`): what a rollout's plan and proof refer to; the signed catalogue is a directory."""

from __future__ import annotations

from collections.abc import Iterable

from local_store import columns
from local_store.rollout_rows import ImageRow
from local_store.sqlite import Connection

_IMAGE = columns.select("firmware_image", ImageRow)
_UPSERT = columns.upsert("firmware_image", ImageRow, "sha256")
_VALUES = columns.values(ImageRow)


def save(cx: Connection, images: Iterable[ImageRow]) -> None:
    """Write images as verified now; one that is here keeps when it came."""
    for image in images:
        cx.execute(f"{_UPSERT}, added_ms = firmware_image.added_ms", _VALUES(image))


def images(cx: Connection) -> list[ImageRow]:
    """Every image a rollout ever referred to, the newest last."""
    return [ImageRow(*row) for row in cx.execute(f"{_IMAGE} ORDER BY added_ms, version, boards, sha256")]


def image(cx: Connection, sha256: str) -> ImageRow | None:
    """One image by its hash."""
    row = cx.execute(f"{_IMAGE} WHERE sha256 = ?", (sha256,)).fetchone()
    return ImageRow(*row) if row else None
