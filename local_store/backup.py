"""Copies a store to another directory and brings such a copy back; both stay encrypted under the store's key."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from local_store import keys, lease, migrate, restoring
from local_store.db import OPS, TELEMETRY, Database, Store, connect
from local_store.errors import StoreBusy, StoreDamaged, StoreError, StoreNewer
from local_store.files import own_directory, private_directory, size_of, sync_directory, sync_file, write_once
from local_store.sqlite import DatabaseError

MANIFEST = "manifest.json"
FORMAT = 1
_WHICH: dict[str, migrate.Which] = {OPS: "ops", TELEMETRY: "telemetry"}


@dataclass(frozen=True, slots=True)
class Copied:
    """One file of a backup."""

    name: str
    bytes: int
    sha256: str
    version: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds; `key` is the fingerprint of the store key, which is never part of a backup."""

    format: int
    created_ms: int
    key: str
    store_id: str
    files: tuple[Copied, ...]


def backup(store: Store, destination: Path, now_ms: int) -> Manifest:
    """Copy both files, each as of one moment (operations first), while the engine goes on.

    `destination` must not exist; it appears complete or not at all.
    """
    if destination.exists():
        raise StoreError(f"{destination} exists already: name a directory that does not, backups replace nothing")
    if not destination.parent.is_dir():
        raise StoreError(f"{destination.parent} is no directory: make it first, or name another place")
    draft = destination.with_name(f".{destination.name}.{os.getpid()}.partial")
    try:
        private_directory(draft)
        files = tuple(_copy(database, draft) for database in (store.ops, store.telemetry))
        manifest = Manifest(FORMAT, now_ms, keys.fingerprint(store.key), keys.store_id(store.directory), files)
        write_once(draft / MANIFEST, json.dumps(asdict(manifest), indent=2).encode() + b"\n")
        draft.rename(destination)
        sync_directory(destination.parent)
    except OSError as error:
        raise StoreError(f"{destination} could not be written ({error.strerror}): name another place") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _copy(database: Database, into: Path) -> Copied:
    path = into / database.path.name
    # VACUUM INTO rather than the stepwise backup, which starts over at each write and may never end.
    database.maintain("VACUUM INTO ?", (str(path),))
    path.chmod(0o600)
    sync_file(path)
    ((version,),) = database.maintain("PRAGMA user_version")
    return Copied(path.name, size_of(path), _sha256(path), int(str(version)))


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def read_manifest(source: Path) -> Manifest:
    """What a backup says it holds. Raises StoreDamaged when it has no readable manifest, StoreNewer for a newer one."""
    try:
        told = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
        found = int(told["format"])
        if found > FORMAT:
            raise StoreNewer(f"{source} is a backup of format {found}: restore it with the Leitstand that made it")
        files = tuple(Copied(**one) for one in told["files"])
        return Manifest(found, int(told["created_ms"]), str(told["key"]), str(told["store_id"]), files)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreDamaged(f"{source} is no complete backup ({error}): name a directory made by a backup") from error


def check(source: Path, key: bytes | None) -> Manifest:
    """Compare every file of a backup with its manifest, and key and versions with ours, before anything is touched."""
    manifest = read_manifest(source)
    if {one.name for one in manifest.files} != set(_WHICH):
        raise StoreDamaged(f"{source} does not hold exactly {OPS} and {TELEMETRY}: name another backup")
    if manifest.key != keys.fingerprint(key):
        raise StoreDamaged(f"{source} was written with another key: restore it with the {keys.KEY_FILE} of that store")
    for one in manifest.files:
        newest = migrate.known_steps(_WHICH[one.name])[-1].version
        if one.version > newest:
            raise StoreNewer(f"{source / one.name} has version {one.version}, this Leitstand knows up to {newest}")
        if size_of(source / one.name) != one.bytes or _sha256(source / one.name) != one.sha256:
            raise StoreDamaged(f"{source / one.name} is not what its manifest says: name another backup")
    return manifest


def restore(source: Path, directory: Path, key: bytes | None) -> Manifest:
    """Put a backup in place of a store nobody uses; the old files stay in `before-restore-1/` and so on.

    Raises StoreBusy while an engine or a screen has the store open, and touches nothing then.
    """
    manifest = check(source, key)
    own_directory(directory)
    handle = lease.lock(directory)
    if handle is None:
        raise StoreBusy(f"{directory} is in use by an engine: stop it, then restore")
    try:
        _refuse_open(directory, key)
        _stage(source, directory)
        restoring.finish(directory)
    finally:
        os.close(handle)
    return manifest


def _refuse_open(directory: Path, key: bytes | None) -> None:
    """Leaving WAL mode needs every other connection closed, and puts the log into the file on the way."""
    for name in _WHICH:
        path = directory / name
        if not size_of(path):
            continue
        try:
            cx = connect(path, key)
        except StoreDamaged:
            continue  # what cannot be read is what a restore is for
        try:
            cx.execute("PRAGMA busy_timeout = 0")
            cx.execute("PRAGMA journal_mode = DELETE")
        except DatabaseError as error:
            raise StoreBusy(f"{path} is open in another console or engine: close them, then restore") from error
        finally:
            cx.close()


def _stage(source: Path, directory: Path) -> None:
    draft = directory / f"{restoring.READY}.partial"
    shutil.rmtree(draft, ignore_errors=True)
    private_directory(draft)
    for name in _WHICH:
        shutil.copyfile(source / name, draft / name)
        (draft / name).chmod(0o600)
        sync_file(draft / name)
    sync_directory(draft)
    draft.rename(directory / restoring.READY)
    sync_directory(directory)
