"""Rows of the firmware catalogue (`ops.db`): images whose signatures this console has verified."""

from __future__ import annotations

from collections.abc import Iterable

from local_store import columns
from local_store.rollout_rows import ImageRow
from local_store.sqlite import Connection

DIRECTORY = "firmware"
"""Where a store keeps the trusted metadata and the image files, beside its databases."""

_IMAGE = columns.select("firmware_image", ImageRow)
_UPSERT = columns.upsert("firmware_image", ImageRow, "sha256")
_VALUES = columns.values(ImageRow)


def save(cx: Connection, images: Iterable[ImageRow]) -> None:
    """Write images as verified now; one that is here keeps when it came."""
    for image in images:
        cx.execute(f"{_UPSERT}, added_ms = firmware_image.added_ms", _VALUES(image))


def images(cx: Connection) -> list[ImageRow]:
    """The catalogue, the newest last."""
    return [ImageRow(*row) for row in cx.execute(f"{_IMAGE} ORDER BY added_ms, version, boards, sha256")]


def image(cx: Connection, sha256: str) -> ImageRow | None:
    """One image by its hash."""
    row = cx.execute(f"{_IMAGE} WHERE sha256 = ?", (sha256,)).fetchone()
    return ImageRow(*row) if row else None


def revoke_all_but(cx: Connection, kept: Iterable[str], now_ms: int) -> int:
    """Images that the signed catalogue no longer names are revoked; returns how many became so."""
    names = tuple(kept)
    marks = ", ".join("?" * len(names))
    changed = cx.execute(
        f"UPDATE firmware_image SET revoked_ms = ? WHERE revoked_ms IS NULL AND sha256 NOT IN ({marks})",
        (now_ms, *names),
    )
    return changed.rowcount
