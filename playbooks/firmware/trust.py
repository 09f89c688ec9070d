"""What the console believes of firmware images: The Update Framework's client rules over a directory. No network.

A catalogue is a TUF repository in a directory or a bundle. The console keeps its own trust anchor (`root.json`) and the
last metadata it believed, so that older, expired, mixed or unsigned metadata is refused (TUF specification 1.0.34,
section 5). An image is used only from `images/`, where it lies after its length and hash were verified.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tarfile
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlparse

import msgspec
from tuf.api.exceptions import DownloadError, DownloadHTTPError, ExpiredMetadataError, RepositoryError
from tuf.api.metadata import Metadata, Root, TargetFile, Targets
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from local_store.errors import StoreRefused
from local_store.files import DIRECTORY_MODE, private_directory, write_once

ANCHOR: Final = "root.json"
METADATA, TARGETS, IMAGES, BELIEVED = "metadata", "targets", "images", "believed"
BASE: Final = "file:///"
BLOCK: Final = 1 << 20
MOST_BUNDLE_BYTES: Final = 4 << 30
MOST_BUNDLE_FILES: Final = 10_000
END_BYTES: Final = 1024
"""Zeros at the end of every tar archive (POSIX.1-2017, pax, "ustar Interchange Format")."""


class Untrusted(StoreRefused):
    """The catalogue or an image cannot be believed; nothing of it is used."""


class OutOfDate(Untrusted):
    """Its signatures are good, but nobody has renewed them in time: it may be an old list somebody holds back."""


@dataclass(frozen=True, slots=True)
class TrustedImage:
    """One image as the signed catalogue describes it. `signed_by` names who signed the catalogue that lists it."""

    name: str
    version: str
    revision: str
    boards: tuple[str, ...]
    compat_version: str
    min_version: str
    sha256: str
    size: int
    expires_ms: int
    signed_by: tuple[str, ...]


class _Described(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a target's `custom` part has to say about an image."""

    version: str
    revision: str
    boards: tuple[str, ...]
    compat_version: str = "1.0"
    min_version: str = ""
    added_ms: int = 0


class _Shelf(FetcherInterface):
    """Hands the updater files of a directory as if they were downloaded."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = self._directory / unquote(urlparse(url).path).lstrip("/")
        if not path.is_file():
            raise DownloadHTTPError(f"{path.name} is not there", 404)  # how the updater learns of the newest root
        return _blocks(path)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def fingerprint(root: bytes) -> str:
    """What two people compare before they trust a root: its SHA-256."""
    return hashlib.sha256(root).hexdigest()


def anchor(home: Path, root: bytes) -> None:
    """Trust this root from now on. Raises Untrusted for one that is not signed by its own keys, or a second anchor."""
    try:
        found = Metadata[Root].from_bytes(root)
        found.verify_delegate(Root.type, found)
    except (RepositoryError, ValueError) as error:
        raise Untrusted(f"this is no root of a firmware catalogue signed by its own keys: {error}") from error
    private_directory(home)
    if not write_once(home / ANCHOR, root) and (home / ANCHOR).read_bytes() != root:
        raise Untrusted(
            f"{home} already trusts another root ({fingerprint((home / ANCHOR).read_bytes())[:16]}…): "
            "a newer root of the same catalogue is followed by itself; to trust another catalogue remove this file"
        )


def refresh(home: Path, catalogue: Path) -> list[TrustedImage]:
    """Verify the catalogue's metadata and return its images, the newest last. Raises Untrusted."""
    with _updated(home, catalogue):
        return _images(home)


def fetch(home: Path, catalogue: Path, name: str) -> Path:
    """The verified file of one image; copied from the catalogue unless a verified copy is there. Raises Untrusted."""
    with _updated(home, catalogue) as updater:
        return _fetched(updater, name)


def _fetched(updater: Updater, name: str) -> Path:
    target = updater.get_targetinfo(name)
    if target is None:
        raise Untrusted(f"{name} is not in the signed catalogue")
    try:
        return Path(updater.find_cached_target(target) or updater.download_target(target))
    except (RepositoryError, DownloadError) as error:
        raise Untrusted(f"{name} is not what the signed catalogue describes: {error}") from error


def verified(path: Path, sha256: str, size: int) -> bool:
    """Whether a file is still the image; asked again right before it is staged."""
    if not path.is_file() or path.stat().st_size != size:
        return False
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    return digest.hexdigest() == sha256


def bundle(catalogue: Path, out: Path, only: Collection[str] | None = None) -> int:
    """Write the catalogue into one file for a laptop without network; returns how many files it holds.

    `only` names the sha256 of the images that go along; the signed lists always go whole.
    """
    members = [path for part in (METADATA, TARGETS) for path in sorted((catalogue / part).glob("*")) if path.is_file()]
    if only is not None:
        members = [path for path in members if path.parent.name == METADATA or path.name.partition(".")[0] in only]
    if not members:
        raise Untrusted(f"{catalogue} is no firmware catalogue: begin one with `leitstand firmware init`")
    draft = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with tarfile.open(draft, "w") as tar:
            for path in members:
                tar.add(path, arcname=f"{path.parent.name}/{path.name}")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return len(members)


def unbundle(home: Path, file: Path, catalogue: Path, *, whole: bool = False) -> list[TrustedImage]:
    """Verify a bundle against our anchor and take it as the catalogue. Raises Untrusted; nothing is changed then.

    `whole`: every listed image has to be in it, or in the catalogue already.
    """
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=_made(catalogue.parent)) as scratch:
        unpacked = Path(scratch) / "catalogue"
        _unpack(file, unpacked)
        # In one: whoever looked in between would find a catalogue older than what is believed, and refuse it.
        with _alone(home, catalogue) as anchor:
            with _believing(home, unpacked, anchor) as updater:
                images = _images(home)
                _expect_only(images, {path.name for path in (unpacked / TARGETS).glob("*")}, file)
                for image in images:
                    if (unpacked / TARGETS / _shelved(image)).exists():
                        _fetched(updater, image.name)
                    elif whole and not (catalogue / TARGETS / _shelved(image)).exists():
                        raise Untrusted(f"{file} lacks {image.name}, which its signed catalogue lists")
            _shelve(unpacked, catalogue)
    return images


def _shelve(unpacked: Path, catalogue: Path) -> None:
    """Images first and the timestamp last: readers begin with it."""
    found = unpacked.rglob("*.*")
    for path in sorted(found, key=lambda one: (one.parent.name == METADATA, one.name == "timestamp.json")):
        place = catalogue / path.relative_to(unpacked)
        place.parent.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
        path.replace(place)


def _shelved(image: TrustedImage) -> str:
    """The file name of an image in a catalogue with consistent snapshots."""
    return f"{image.sha256}.{image.name}"


def _expect_only(images: Iterable[TrustedImage], found: set[str], file: Path) -> None:
    foreign = found - {_shelved(image) for image in images}
    if foreign:
        raise Untrusted(f"{file} holds {min(foreign)}, which the signed catalogue does not list")


def _made(directory: Path) -> Path:
    private_directory(directory)
    return directory


def _unpack(file: Path, into: Path) -> None:
    """Only plain files in the two known places, within a size: a bundle is read before it is trusted."""
    _expect_end(file)
    try:
        with tarfile.open(file, "r:") as tar:
            total = 0
            for count, member in enumerate(tar):
                total += member.size
                place, _, name = member.name.partition("/")
                plain = member.isfile() and place in (METADATA, TARGETS) and name and "/" not in name
                if not plain or name.startswith(".") or count > MOST_BUNDLE_FILES or total > MOST_BUNDLE_BYTES:
                    raise Untrusted(f"{file} holds {member.name}, which no firmware bundle holds")
                (into / place).mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(member)
                if source is not None:
                    with source, (into / place / name).open("wb") as out:
                        while block := source.read(BLOCK):
                            out.write(block)
    except tarfile.TarError as error:
        raise Untrusted(f"{file} is no firmware bundle: {error}") from error


def _expect_end(file: Path) -> None:
    """The mark an archive ends with: one cut off between two files reads like a whole one with fewer."""
    with file.open("rb") as source:
        size = source.seek(0, 2)
        source.seek(max(0, size - END_BYTES))
        if source.read() != bytes(END_BYTES):
            raise Untrusted(f"{file} is no whole firmware bundle: its end is missing; copy it once more")


@contextmanager
def _updated(home: Path, catalogue: Path) -> Iterator[Updater]:
    """An updater that has gone through root, timestamp, snapshot and targets; nobody else has one of this home."""
    with _alone(home, catalogue) as anchor, _believing(home, catalogue, anchor) as updater:
        yield updater


@contextmanager
def _alone(home: Path, catalogue: Path) -> Iterator[bytes]:
    """The trust anchor, while nobody else changes what this home believes.

    The updater replaces files it believes in by remove and make (python-tuf 7.0): two at once take each other's away.
    """
    try:
        held = (home / ANCHOR).open("rb")
    except FileNotFoundError as error:
        told = (
            f"no firmware catalogue is trusted yet: `leitstand firmware trust {catalogue / METADATA / '1.root.json'}`"
        )
        raise Untrusted(told) from error
    with held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield held.read()


@contextmanager
def _believing(home: Path, catalogue: Path, anchor: bytes) -> Iterator[Updater]:
    try:
        yield _refreshed(home, catalogue, anchor)
    except ExpiredMetadataError as error:
        raise OutOfDate(f"the firmware catalogue in {catalogue} is out of date: {error}; sign it anew") from error
    except (RepositoryError, DownloadError) as error:
        raise Untrusted(f"the firmware catalogue in {catalogue} cannot be trusted: {error}") from error
    except OSError as error:
        raise Untrusted(f"the firmware catalogue in {catalogue} cannot be read into {home}: {error}") from error


def _refreshed(home: Path, catalogue: Path, anchor: bytes) -> Updater:
    for part in (BELIEVED, IMAGES):
        private_directory(home / part)
    updater = Updater(
        str(home / BELIEVED),
        f"{BASE}{METADATA}/",
        str(home / IMAGES),
        f"{BASE}{TARGETS}/",
        _Shelf(catalogue),
        UpdaterConfig(),
        bootstrap=anchor,
    )
    updater.refresh()
    return updater


def _images(home: Path) -> list[TrustedImage]:
    """The images of the targets an updater has just written down as believed: it has no public list of them."""
    root = Metadata[Root].from_file(str(home / BELIEVED / "root.json"))
    targets = Metadata[Targets].from_file(str(home / BELIEVED / "targets.json"))
    signers = root.signed.get_verification_result(Targets.type, targets.signed_bytes, targets.signatures).signed
    names = tuple(sorted(str(key.unrecognized_fields.get("name") or key.keyid[:12]) for key in signers.values()))
    expires_ms = int(targets.signed.expires.timestamp() * 1000)
    found = [(_described(target), target) for target in targets.signed.targets.values()]
    found.sort(key=lambda one: (one[0].added_ms, one[0].version, one[1].path))
    return [
        TrustedImage(
            target.path,
            said.version,
            said.revision,
            said.boards,
            said.compat_version,
            said.min_version,
            target.hashes["sha256"],
            target.length,
            expires_ms,
            names,
        )
        for said, target in found
    ]


def _described(target: TargetFile) -> _Described:
    try:
        return msgspec.convert(target.custom, _Described)
    except msgspec.ValidationError as error:
        raise Untrusted(f"the signed catalogue describes {target.path} in a way nobody knows: {error}") from error
