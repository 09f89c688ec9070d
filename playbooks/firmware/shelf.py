"""Images of the signed catalogue for plans and runners: rows, the rules' view, files verified as they are opened."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from local_store.errors import StoreRefused
from local_store.rollout_rows import ImageRow
from mesh_mgmt.catalogue import Image


class ImageRefused(StoreRefused):
    """The image may not be used; `reason` is a code: withdrawn, expired, untrusted, tampered, missing."""

    def __init__(self, sha256: str, reason: str, text: str) -> None:
        super().__init__(f"image {sha256[:12]} may not be used: {text}")
        self.reason = reason


OpenImage = Callable[[str, int], AbstractContextManager[BinaryIO]]
"""From sha256 and now to the open file of a verified image; raises ImageRefused."""


def image_of(row: ImageRow) -> Image:
    """The rules' view of a stored image."""
    return Image(
        row.sha256,
        row.version,
        row.revision,
        tuple(json.loads(row.boards)),
        row.size,
        row.compat_version,
        row.min_version,
        row.expires_ms,
        tuple(json.loads(row.signed_by)),
        row.name,
    )


def row_of(image: Image, now_ms: int) -> ImageRow:
    """The row of an image as it was believed."""
    return ImageRow(
        image.sha256,
        image.version,
        image.revision,
        json.dumps(image.boards),
        image.compat_version,
        image.min_version,
        image.size,
        image.name,
        json.dumps(image.signed_by),
        image.expires_ms,
        now_ms,
    )


def catalogue(home: Path, directory: Path) -> list[Image]:
    """The images of the signed catalogue, verified now, the newest last. Raises StoreRefused."""
    from playbooks.firmware import trust

    return [
        Image(
            one.sha256,
            one.version,
            one.revision,
            one.boards,
            one.size,
            one.compat_version,
            one.min_version,
            one.expires_ms,
            one.signed_by,
            one.name,
        )
        for one in trust.refresh(home, directory)
    ]


def opener(home: Path, directory: Path) -> OpenImage:
    """Opens images of a catalogue: signatures, expiry, length and hash are asked again each time."""

    @contextmanager
    def opened(sha256: str, now_ms: int) -> Iterator[BinaryIO]:
        path = _verified(home, directory, sha256, now_ms)
        with path.open("rb") as file:
            yield file

    return opened


def _verified(home: Path, directory: Path, sha256: str, now_ms: int) -> Path:
    from playbooks.firmware import trust

    try:
        found = _named(catalogue(home, directory), sha256)
    except trust.OutOfDate as error:
        raise ImageRefused(sha256, "expired", str(error)) from error
    except trust.Untrusted as error:
        raise ImageRefused(sha256, "untrusted", str(error)) from error
    if found is None:
        raise ImageRefused(sha256, "withdrawn", "the signed catalogue no longer lists it")
    if now_ms >= found.expires_ms:
        raise ImageRefused(sha256, "expired", "the signatures of the catalogue have expired")
    try:
        path = trust.fetch(home, directory, found.name)
    except trust.Untrusted as error:
        raise ImageRefused(sha256, "tampered", str(error)) from error
    if not trust.verified(path, sha256, found.size):
        raise ImageRefused(sha256, "tampered", f"{path} is not what the signed catalogue describes")
    return path


def _named(images: Iterable[Image], sha256: str) -> Image | None:
    return next((image for image in images if image.sha256 == sha256), None)
