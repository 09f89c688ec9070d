"""The audit log (`ops.db`): a hash chain with signed heads; a head kept elsewhere shows cut or rebuilt ends."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from local_store import columns
from local_store.sqlite import Connection

HEAD_EVERY = 100
GENESIS = bytes(32)
_SIGNED = b"leitstand audit head 1\x00"

Reason = Literal["missing", "changed", "not_chained", "head_not_signed", "head_differs", "cut_off", "anchor_differs"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the chain. `body` is canonical JSON."""

    seq: int
    at_ms: int
    actor: str
    action: str
    body: str
    prev: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """A signed statement that the chain up to `seq` ends in `hash`; also the anchor to keep outside this machine."""

    seq: int
    at_ms: int
    hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where the chain does not hold."""

    seq: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the whole chain found. `unsigned` entries came after the last head."""

    entries: int
    heads: int
    unsigned: int
    broken: Break | None


_ENTRY = columns.select("audit", Entry)
_ENTRY_INSERT = columns.insert("audit", Entry)
_ENTRY_VALUES = columns.values(Entry)
_HEAD = columns.select("audit_head", Head)
_HEAD_INSERT = columns.insert("audit_head", Head)
_HEAD_VALUES = columns.values(Head)


def canonical(value: object) -> str:
    """JSON with one spelling per value: sorted keys, no spaces, no NaN (which raises ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _digest(prev: bytes, seq: int, at_ms: int, told: tuple[str, str, str]) -> bytes:
    return hashlib.sha256(prev + canonical([seq, at_ms, *told]).encode()).digest()


def append(cx: Connection, actor: str, action: str, body: Mapping[str, object], now_ms: int) -> int:
    """Add an entry in the transaction of what it tells; returns its number."""
    last = cx.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    seq, prev = (last[0] + 1, last[1]) if last else (1, GENESIS)
    told = (actor, action, canonical(body))
    cx.execute(_ENTRY_INSERT, _ENTRY_VALUES(Entry(seq, now_ms, *told, prev, _digest(prev, seq, now_ms, told))))
    return int(seq)


def _statement(seq: int, at_ms: int, digest: bytes) -> bytes:
    return _SIGNED + seq.to_bytes(8, "big") + at_ms.to_bytes(8, "big") + digest


def sign_head(cx: Connection, signer: Ed25519PrivateKey, now_ms: int, every: int = HEAD_EVERY) -> Head | None:
    """Sign the end of the chain once `every` entries have come since the last head; None when it is too early."""
    last = cx.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    signed = cx.execute("SELECT max(seq) FROM audit_head").fetchone()[0] or 0
    if last is None or last[0] - signed < every:
        return None
    head = Head(last[0], now_ms, last[1], signer.sign(_statement(last[0], now_ms, last[1])))
    cx.execute(_HEAD_INSERT, _HEAD_VALUES(head))
    return head


def last_head(cx: Connection) -> Head | None:
    """The newest signed head: what a shift report prints and another machine keeps."""
    row = cx.execute(f"{_HEAD} ORDER BY seq DESC LIMIT 1").fetchone()
    return Head(*row) if row else None


def entries(cx: Connection, after_seq: int, limit: int) -> list[Entry]:
    """Entries in order, for showing and exporting."""
    return [Entry(*row) for row in cx.execute(f"{_ENTRY} WHERE seq > ? ORDER BY seq LIMIT ?", (after_seq, limit))]


def is_genuine(head: Head, public: Ed25519PublicKey) -> bool:
    """Whether the head's signature is this store's."""
    try:
        public.verify(head.signature, _statement(head.seq, head.at_ms, head.hash))
    except (InvalidSignature, OverflowError):
        return False
    return True


def verify(cx: Connection, public: Ed25519PublicKey, anchors: Iterable[Head] = ()) -> Verdict:
    """Check every link and head and name the first that does not hold.

    A chain cut off behind its last head, or rebuilt without heads, only differs from `anchors` kept elsewhere.
    """
    heads = [Head(*row) for row in cx.execute(f"{_HEAD} ORDER BY seq")]
    watched = {head.seq: head for head in heads}
    anchored = {head.seq: head for head in anchors}
    broken: list[Break] = [Break(head.seq, "head_not_signed") for head in heads if not is_genuine(head, public)]
    count, prev = 0, GENESIS
    for count, row in enumerate(cx.execute(f"{_ENTRY} ORDER BY seq"), start=1):
        entry = Entry(*row)
        reason = _flaw(entry, count, prev, watched, anchored)
        if reason is not None:
            broken.append(Break(count, reason))
            break
        prev = entry.hash
    else:
        broken += [Break(seq, "cut_off") for seq in (*watched, *anchored) if seq > count]
    total = int(cx.execute("SELECT count(*) FROM audit").fetchone()[0])
    last = heads[-1].seq if heads else 0
    return Verdict(total, len(heads), max(0, total - last), min(broken, key=lambda one: one.seq, default=None))


def _flaw(
    entry: Entry, expected: int, prev: bytes, watched: Mapping[int, Head], anchored: Mapping[int, Head]
) -> Reason | None:
    if entry.seq != expected:
        return "missing"
    if entry.prev != prev:
        return "not_chained"
    if entry.hash != _digest(prev, entry.seq, entry.at_ms, (entry.actor, entry.action, entry.body)):
        return "changed"
    if entry.seq in watched and watched[entry.seq].hash != entry.hash:
        return "head_differs"
    if entry.seq in anchored and anchored[entry.seq].hash != entry.hash:
        return "anchor_differs"
    return None
