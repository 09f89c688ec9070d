"""The publisher's side of the firmware catalogue: keys, roles with thresholds, adding images, signing. No network.

Changes are staged; each holder of a key signs what is staged with `sign`, on a machine of their own if they like. What
has as many signatures as its role wants is published. Snapshot and timestamp follow by themselves with their own keys.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from local_store.errors import StoreRefused
from local_store.files import is_private, private_directory, sync_directory, sync_file, write_once
from playbooks.firmware.staging import newest_version, one_at_a_time, shelve, stage, staged_path
from playbooks.firmware.trust import METADATA

ROLES: Final = ("root", "targets", "snapshot", "timestamp")
LIFE: Final = {
    "root": timedelta(days=365),
    "targets": timedelta(days=90),
    "snapshot": timedelta(days=30),
    "timestamp": timedelta(days=30),
}
"""How long a signature of each role holds before somebody has to sign again."""
T = TypeVar("T", Root, Targets, Snapshot, Timestamp)


class NotSigned(StoreRefused):
    """A key or a staged change is not what it has to be; nothing was published."""


class PublicKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The half of a key that may be shown: its holder's name and the PEM text."""

    name: str
    pem: str

    def tuf(self) -> SSlibKey:
        """The key as TUF keeps it, with the holder's name beside it."""
        key = SSlibKey.from_crypto(serialization.load_pem_public_key(self.pem.encode()))
        return SSlibKey(key.keyid, key.keytype, key.scheme, key.keyval, {"name": self.name})


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the publisher says of an image; see `trust.TrustedImage`."""

    version: str
    revision: str
    boards: tuple[str, ...]
    compat_version: str = "1.0"
    min_version: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a staged role stands: how many signatures it has of how many it wants."""

    role: str
    version: int
    have: int
    want: int
    published: bool


@dataclass(frozen=True, slots=True)
class Holders:
    """Who may sign for a role, and how many of them have to."""

    role: str
    threshold: int
    names: tuple[str, ...]


def new_key(path: Path, name: str, passphrase: bytes | None) -> PublicKey:
    """Make an Ed25519 key: `path` (0600, encrypted with a passphrase) and `path.pub`. Raises NotSigned if it exists."""
    private = Ed25519PrivateKey.generate()
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    public_pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    public = PublicKey(name, public_pem.decode())
    if not write_once(path, pem):
        raise NotSigned(f"{path} is there already; a key is never replaced")
    write_once(_public_path(path), msgspec.json.format(msgspec.json.encode(public)))
    return public


def _public_path(path: Path) -> Path:
    return path.with_name(path.name + ".pub")


def public_key(path: Path) -> PublicKey:
    """Read `KEY.pub`. Raises NotSigned."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=PublicKey)
    except (msgspec.DecodeError, OSError) as error:
        raise NotSigned(f"{path} is no public key made by `leitstand firmware keys new`: {error}") from error


def is_encrypted(path: Path) -> bool:
    """Whether a private key wants a passphrase."""
    return path.is_file() and b"ENCRYPTED" in path.read_bytes()[:64]


def load_key(path: Path, passphrase: bytes | None) -> CryptoSigner:
    """The signer of a private key file. Raises NotSigned for a wrong passphrase or a file others may read."""
    if not path.is_file() or not is_private(path):
        raise NotSigned(f"{path} must be a key file that only you can read (mode 0600)")
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), passphrase)
    except (ValueError, TypeError) as error:
        raise NotSigned(f"{path} cannot be opened with this passphrase") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise NotSigned(f"{path} is no Ed25519 key")
    return CryptoSigner(private, public_key(_public_path(path)).tuf())


def begin(catalogue: Path, keys: Mapping[str, Sequence[PublicKey]], thresholds: Mapping[str, int], now_ms: int) -> None:
    """Stage the first root and an empty list of images. Raises NotSigned when there is a catalogue or too few keys."""
    if any((catalogue / METADATA).glob("*.root.json")) or staged_path(catalogue, "root").exists():
        raise NotSigned(f"{catalogue} is a firmware catalogue already")
    root = Root(expires=_expiry("root", now_ms), consistent_snapshot=True)
    _appoint(root, keys, thresholds)
    stage(catalogue, "root", Metadata(root))
    stage(catalogue, "targets", Metadata(Targets(expires=_expiry("targets", now_ms))))


@one_at_a_time
def appoint(
    catalogue: Path, keys: Mapping[str, Sequence[PublicKey]], thresholds: Mapping[str, int], now_ms: int
) -> None:
    """Stage a new root with other keys for the roles named in `keys`; old and new holders of root both sign it."""
    root = _newest(catalogue, "root", Root).signed
    root.version += 1
    root.expires = _expiry("root", now_ms)
    for role in keys:
        for keyid in list(root.roles[role].keyids):
            root.revoke_key(keyid, role)
    _appoint(root, keys, thresholds)
    stage(catalogue, "root", Metadata(root))


def _appoint(root: Root, keys: Mapping[str, Sequence[PublicKey]], thresholds: Mapping[str, int]) -> None:
    for role, holders in keys.items():
        for holder in holders:
            root.add_key(holder.tuf(), role)
    for role in {**keys, **thresholds}:
        want, have = thresholds.get(role, root.roles[role].threshold), len(root.roles[role].keyids)
        if not 1 <= want <= have:
            raise NotSigned(f"role {role} wants {want} signatures and has {have} keys")
        root.roles[role].threshold = want
    missing = [role for role in ROLES if not root.roles[role].keyids]
    if missing:
        raise NotSigned(f"no key for {', '.join(missing)}: name one for each role")


@one_at_a_time
def add(catalogue: Path, image: Path, facts: ImageFacts, now_ms: int) -> str:
    """Put an image on the shelf and stage the list that names it; returns its sha256. Raises NotSigned."""
    if not image.is_file() or image.stat().st_size == 0:
        raise NotSigned(f"{image} is no image: it is missing or empty")
    _expect_sense(facts)
    with image.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    name = image.name
    targets = _to_change(catalogue, now_ms)
    there = targets.targets.get(name)
    if there is not None and there.hashes["sha256"] != sha256:
        raise NotSigned(f"{name} is in the catalogue with other bytes: give the new image a name of its own")
    shelve(catalogue, image, f"{sha256}.{name}")
    targets.targets[name] = TargetFile(
        image.stat().st_size,
        {"sha256": sha256},
        name,
        {
            "custom": {
                "version": facts.version,
                "revision": facts.revision,
                "boards": list(facts.boards),
                "compat_version": facts.compat_version,
                "min_version": facts.min_version,
                "added_ms": now_ms,
            }
        },
    )
    stage(catalogue, "targets", Metadata(targets))
    return sha256


def _expect_sense(facts: ImageFacts) -> None:
    if not facts.boards or not all((facts.version.strip(), facts.revision.strip(), *map(str.strip, facts.boards))):
        raise NotSigned("an image needs a version, a revision and at least one board")
    if not re.fullmatch(r"\d+\.\d+", facts.compat_version):
        raise NotSigned(f"{facts.compat_version!r} is no compatibility version: two numbers such as 1.0 are expected")
    if facts.min_version and not re.match(r"\d", facts.min_version):
        raise NotSigned(f"{facts.min_version!r} is no version: numbers such as 23.05.2 are expected")


@one_at_a_time
def withdraw(catalogue: Path, name: str, now_ms: int) -> None:
    """Stage the list without this image. Raises NotSigned when it is not in it."""
    targets = _to_change(catalogue, now_ms)
    if targets.targets.pop(name, None) is None:
        raise NotSigned(f"{name} is not in the catalogue")
    stage(catalogue, "targets", Metadata(targets))


@one_at_a_time
def renew(catalogue: Path, now_ms: int) -> None:
    """Stage the same list of images again, so that it holds for another while."""
    stage(catalogue, "targets", Metadata(_to_change(catalogue, now_ms)))


@one_at_a_time
def sign(catalogue: Path, signer: CryptoSigner, now_ms: int) -> list[Progress]:
    """Sign everything staged that this key may sign, and publish what is complete. Raises NotSigned for a stranger."""
    if not _may_sign(catalogue, signer):
        raise NotSigned("this key holds no role of this catalogue")
    found = []
    for role in ROLES:
        may = _may_sign(catalogue, signer)  # a root that was published a moment ago may have changed it
        if role == "targets":
            _keep_believable(catalogue, now_ms)
        if role == "snapshot":
            _follow(catalogue, may, now_ms)
        if role in may and staged_path(catalogue, role).exists():
            metadata = _any(staged_path(catalogue, role))
            metadata.sign(signer, append=True)
            stage(catalogue, role, metadata)
        progress = _publish(catalogue, role)
        if progress is not None:
            found.append(progress)
    return found


def holders(catalogue: Path) -> list[Holders]:
    """The roles of a catalogue with the names of those who hold them. Raises NotSigned."""
    root = _authority(catalogue)
    named = {keyid: str(key.unrecognized_fields.get("name") or keyid[:12]) for keyid, key in root.keys.items()}
    return [
        Holders(role, root.roles[role].threshold, tuple(named[keyid] for keyid in root.roles[role].keyids))
        for role in ROLES
    ]


def standing(catalogue: Path) -> list[Progress]:
    """What is staged and how many signatures it still wants."""
    return [one for role in ROLES if (one := _progress(catalogue, role)) is not None]


def _may_sign(catalogue: Path, signer: CryptoSigner) -> list[str]:
    """The roles a key holds; whom a staged root appoints to root signs it too."""
    keyid, root, staged = signer.public_key.keyid, _authority(catalogue), staged_path(catalogue, "root")
    held = {role for role in ROLES if keyid in root.roles[role].keyids}
    if staged.exists() and keyid in _read(staged, Root).signed.roles["root"].keyids:
        held.add("root")
    return [role for role in ROLES if role in held]


def _keep_believable(catalogue: Path, now_ms: int) -> None:
    """Stage the list of images anew where a new root no longer counts its signatures: readers refuse it until then."""
    published = catalogue / METADATA / f"{newest_version(catalogue, 'targets')}.targets.json"
    waits = staged_path(catalogue, "targets").exists() or not published.exists()
    if not waits and not _counts(catalogue, published):
        stage(catalogue, "targets", Metadata(_to_change(catalogue, now_ms)))


def _counts(catalogue: Path, path: Path) -> bool:
    """Whether a published file has the signatures that the root wants by now."""
    metadata = _any(path)
    role = metadata.signed.type
    return _authority(catalogue).get_verification_result(role, metadata.signed_bytes, metadata.signatures).verified


def _authority(catalogue: Path) -> Root:
    """The root that says who may sign: the published one, or the first one while it is staged."""
    if any((catalogue / METADATA).glob("*.root.json")):
        return _newest(catalogue, "root", Root).signed
    if not staged_path(catalogue, "root").exists():
        raise NotSigned(f"{catalogue} is no firmware catalogue: begin one with `leitstand firmware init`")
    return _read(staged_path(catalogue, "root"), Root).signed


def _follow(catalogue: Path, may: Sequence[str], now_ms: int) -> None:
    """Stage a snapshot and a timestamp where what is published no longer fits, or who signs now can renew them."""
    targets = newest_version(catalogue, "targets")
    if not targets:
        return
    snapshot = newest_version(catalogue, "snapshot")
    if _due(catalogue, Snapshot, f"{snapshot}.snapshot.json", targets, may):
        new = Snapshot(snapshot + 1, expires=_expiry("snapshot", now_ms), meta={"targets.json": MetaFile(targets)})
        stage(catalogue, "snapshot", Metadata(new))
    if staged_path(catalogue, "snapshot").exists():
        snapshot += 1
    if _due(catalogue, Timestamp, "timestamp.json", snapshot, may):
        path = catalogue / METADATA / "timestamp.json"
        version = _read(path, Timestamp).signed.version if path.exists() else 0
        stamp = Timestamp(version + 1, expires=_expiry("timestamp", now_ms), snapshot_meta=MetaFile(snapshot))
        stage(catalogue, "timestamp", Metadata(stamp))


def _due(catalogue: Path, kind: type[Snapshot | Timestamp], published: str, names: int, may: Sequence[str]) -> bool:
    """Whether a role has to be staged so that it names version `names` of what it follows."""
    staged = staged_path(catalogue, kind.type)
    if staged.exists():
        return _names(staged) != names
    path = catalogue / METADATA / published
    return kind.type in may or not path.exists() or _names(path) != names or not _counts(catalogue, path)


def _names(path: Path) -> int:
    """The version of targets a snapshot names, or of the snapshot a timestamp names."""
    signed = _any(path).signed
    meta = signed.meta["targets.json"] if isinstance(signed, Snapshot) else signed.snapshot_meta
    return int(meta.version)


def _progress(catalogue: Path, role: str) -> Progress | None:
    path = staged_path(catalogue, role)
    if not path.exists():
        return None
    metadata = _any(path)
    root = metadata.signed if isinstance(metadata.signed, Root) else _authority(catalogue)
    result = root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    done = result.verified
    if isinstance(metadata.signed, Root) and metadata.signed.version > 1:
        done = (
            done
            and _authority(catalogue).get_verification_result(role, metadata.signed_bytes, metadata.signatures).verified
        )
    return Progress(role, metadata.signed.version, len(result.signed), result.threshold, done)


def _publish(catalogue: Path, role: str) -> Progress | None:
    """Move a complete staged role to its place; the timestamp last, as readers begin with it."""
    progress = _progress(catalogue, role)
    if progress is None or not progress.published:
        return progress
    if role == "timestamp" and staged_path(catalogue, "snapshot").exists():
        return Progress(role, progress.version, progress.have, progress.want, published=False)
    private_directory(catalogue / METADATA)
    name = "timestamp.json" if role == "timestamp" else f"{progress.version}.{role}.json"
    sync_file(staged_path(catalogue, role))
    staged_path(catalogue, role).replace(catalogue / METADATA / name)
    sync_directory(catalogue / METADATA)
    return progress


def _to_change(catalogue: Path, now_ms: int) -> Targets:
    """The list of images to stage next: what is staged already, else the newest published with the next number."""
    if staged_path(catalogue, "targets").exists():
        return _read(staged_path(catalogue, "targets"), Targets).signed
    _authority(catalogue)
    targets = _newest(catalogue, "targets", Targets).signed
    targets.version += 1
    targets.expires = _expiry("targets", now_ms)
    return targets


def _newest(catalogue: Path, role: str, kind: type[T]) -> Metadata[T]:
    version = newest_version(catalogue, role)
    if not version:
        raise NotSigned(f"{catalogue} has no published {role} yet: sign what is staged first")
    return _read(catalogue / METADATA / f"{version}.{role}.json", kind)


def _read(path: Path, kind: type[T]) -> Metadata[T]:
    metadata = _any(path)
    if not isinstance(metadata.signed, kind):
        raise NotSigned(f"{path} is no {kind.type} metadata")
    return metadata


def _any(path: Path) -> Metadata[Any]:
    try:
        return Metadata.from_file(str(path))
    except (RepositoryError, OSError) as error:
        raise NotSigned(f"{path} cannot be read: {error}") from error


def _expiry(role: str, now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms // 1000, UTC) + LIFE[role]
