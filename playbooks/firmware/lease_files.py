"""The three files of a field lease: the laptop's request, the console's lease, what comes back. Signed; no network.

A private key never travels: the laptop makes its own and asks with the public halves. What is in a file is believed
only after its signature was checked with a key that two people compared or that an earlier file brought.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from local_store.errors import StoreRefused
from local_store.files import sync_file
from local_store.records import Node
from local_store.rollout_rows import EventRow, ImageRow, NodeRow

FORMAT: Final = 1
MOST_BYTES: Final = 64 << 20
LEASE, SIGNATURE, ANCHOR, CATALOGUE = "lease.json", "lease.sig", "root.json", "catalogue.tar"
T = TypeVar("T", bound=msgspec.Struct)


class NotALease(StoreRefused):
    """The file is damaged, from somebody else, or for another laptop; nothing of it was taken."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a laptop asks with: who it is. `key` is its Ed25519 signing key, `ssh_key` an authorized_keys line."""

    format: int
    holder: str
    key: str
    ssh_key: str


class Leased(msgspec.Struct, frozen=True):
    """One node of a lease: its inventory row, its part of the rollout, the host keys the console trusts."""

    node: Node
    row: NodeRow
    known_host: str = ""


class Lease(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the console gives out. `plan` is the slice both sides hold; its hash is what evidence hangs on."""

    format: int
    lease_id: str
    rollout_id: str
    holder: str
    holder_key: str
    console_key: str
    given_ms: int
    until_ms: int
    plan: str
    images: tuple[ImageRow, ...]
    nodes: tuple[Leased, ...]
    files: dict[str, str]


class Link(msgspec.Struct, frozen=True):
    """One row of the laptop's evidence, binary parts in hexadecimal."""

    rollout_id: str
    seq: int
    node_id: str
    at_ms: int
    body: str
    prev: str
    hash: str
    signature: str


class Returned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a laptop brings back: where each node stands, how it came there, the signed chain."""

    format: int
    lease_id: str
    plan_hash: str
    at_ms: int
    nodes: tuple[NodeRow, ...]
    events: tuple[EventRow, ...]
    evidence: tuple[Link, ...]
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A lease whose signature holds, with the members its text vouches for."""

    lease: Lease
    anchor: bytes
    catalogue: bytes


def public_hex(key: Ed25519PrivateKey) -> str:
    """The public half as it stands in files."""
    return key.public_key().public_bytes_raw().hex()


def fingerprint(public: str) -> str:
    """What two people compare."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()


def signed(key: Ed25519PrivateKey, what: str, value: msgspec.Struct) -> bytes:
    """`value` as JSON behind a line with its signature."""
    body = msgspec.json.encode(value)
    return key.sign(_bound(what, body)).hex().encode() + b"\n" + body


def opened(content: bytes, what: str, kind: type[T], public: str) -> T:
    """The value, if `public` signed it as `what`. Raises NotALease."""
    signature, _, body = content.partition(b"\n")
    _check(public, signature, what, body)
    return _decoded(body, kind)


def claimed(content: bytes, kind: type[T]) -> T:
    """The value before anything is believed: to read which key it claims."""
    return _decoded(content.partition(b"\n")[2], kind)


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        found = msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotALease(f"this is no {kind.__name__.lower()} of a field lease: {error}") from error
    if getattr(found, "format", FORMAT) != FORMAT:
        raise NotALease(f"this {kind.__name__.lower()} is of a format this Leitstand does not know: update it")
    return found


def _check(public: str, signature: bytes, what: str, body: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(
            bytes.fromhex(signature.decode("ascii", "replace")), _bound(what, body)
        )
    except (InvalidSignature, ValueError) as error:
        raise NotALease(f"the signature of this {what} does not hold: it was changed or is somebody else's") from error


def _bound(what: str, body: bytes) -> bytes:
    """The kind is signed too: a request can never pass as a lease."""
    return f"leitstand field {what} 1\x00".encode() + body


@contextmanager
def bundle(out: Path, anchor: bytes, catalogue: Path) -> Iterator[Callable[[Ed25519PrivateKey, Lease], None]]:
    """A bundle with all that takes long to write. What is yielded adds the signed lease and gives the file its name:
    little enough for the transaction that gives the nodes out. Without a lease nothing is left.

    The signed text names the hash of every other member.
    """
    members = {ANCHOR: anchor, CATALOGUE: catalogue.read_bytes()}
    files = {name: _sha256(content) for name, content in members.items()}
    draft = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        draft.touch(mode=0o600)
        _put(draft, members)
        del members

        def finish(key: Ed25519PrivateKey, lease: Lease) -> None:
            _put(draft, {LEASE: signed(key, "lease", msgspec.structs.replace(lease, files=files))})
            draft.replace(out)

        yield finish
    finally:
        draft.unlink(missing_ok=True)


def _put(draft: Path, members: Mapping[str, bytes]) -> None:
    """Add members, on disk before it returns."""
    with tarfile.open(draft, "a" if draft.stat().st_size else "w") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600
            tar.addfile(entry, io.BytesIO(content))
    sync_file(draft)


def read_lease(path: Path, trusted: str | None = None) -> Opened:
    """The lease in a bundle; with `trusted` None the signature is checked with the key it names itself.

    Raises NotALease.
    """
    members = _members(path)
    text = members[LEASE]
    lease = opened(text, "lease", Lease, trusted or claimed(text, Lease).console_key)
    for name in (ANCHOR, CATALOGUE):
        if lease.files.get(name) != _sha256(members[name]):
            raise NotALease(f"{path}: {name} is not what the signed lease names")
    return Opened(lease, members[ANCHOR], members[CATALOGUE])


def _members(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    limits = {LEASE: MOST_BYTES, ANCHOR: 1 << 20, CATALOGUE: 4 << 30}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.name not in limits or not member.isfile() or member.size > limits[member.name]:
                    raise NotALease(f"{path} holds {member.name}, which no field lease holds")
                file = tar.extractfile(member)
                found[member.name] = file.read() if file else b""
    except tarfile.TarError as error:
        raise NotALease(f"{path} is no field lease: {error}") from error
    missing = limits.keys() - found.keys()
    if missing:
        raise NotALease(f"{path} lacks {', '.join(sorted(missing))}: it was cut off, ask for it again")
    return found


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
