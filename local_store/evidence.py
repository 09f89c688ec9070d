"""The signed chain of what a rollout did to each node; the rows can be checked anywhere, without the store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from local_store import columns
from local_store.audit import canonical
from local_store.rollout_rows import EvidenceRow
from local_store.sqlite import Connection

_SIGNED = b"leitstand rollout evidence 1\x00"
_END = b"leitstand rollout end 1\x00"
_SELECT = columns.select("rollout_evidence", EvidenceRow)
_INSERT = columns.insert("rollout_evidence", EvidenceRow)
_VALUES = columns.values(EvidenceRow)


@dataclass(frozen=True, slots=True)
class Flaw:
    """The first row that does not hold, and why: missing, not_chained, changed, not_signed, cut_off."""

    seq: int
    reason: str


def genesis(rollout_id: str, plan_hash: str) -> bytes:
    """What the first row hangs on: the frozen plan."""
    return hashlib.sha256(canonical([rollout_id, plan_hash]).encode()).digest()


def _digest(row: EvidenceRow) -> bytes:
    told = canonical([row.rollout_id, row.seq, row.node_id, row.at_ms, row.body])
    return hashlib.sha256(row.prev + told.encode()).digest()


def append(
    cx: Connection,
    signer: Ed25519PrivateKey,
    about: tuple[str, str, str],
    body: Mapping[str, object],
    now_ms: int,
) -> EvidenceRow:
    """Add a row about (rollout, plan hash, node) in the transaction of the state it proves."""
    rollout_id, plan_hash, node_id = about
    last = cx.execute(
        "SELECT seq, hash FROM rollout_evidence WHERE rollout_id = ? ORDER BY seq DESC LIMIT 1", (rollout_id,)
    ).fetchone()
    seq, prev = (last[0] + 1, last[1]) if last else (1, genesis(rollout_id, plan_hash))
    draft = EvidenceRow(rollout_id, seq, node_id, now_ms, canonical(dict(body)), prev, b"", b"")
    digest = _digest(draft)
    row = EvidenceRow(rollout_id, seq, node_id, now_ms, draft.body, prev, digest, signer.sign(_SIGNED + digest))
    cx.execute(_INSERT, _VALUES(row))
    return row


def of_rollout(cx: Connection, rollout_id: str) -> list[EvidenceRow]:
    """The chain in order."""
    return [EvidenceRow(*row) for row in cx.execute(f"{_SELECT} WHERE rollout_id = ? ORDER BY seq", (rollout_id,))]


def of_node(cx: Connection, rollout_id: str, node_id: str) -> list[EvidenceRow]:
    """One node's links of the chain in order."""
    sql = f"{_SELECT} WHERE rollout_id = ? AND node_id = ? ORDER BY seq"
    return [EvidenceRow(*row) for row in cx.execute(sql, (rollout_id, node_id))]


def end_statement(rollout_id: str, plan_hash: str, rows: int, last: bytes, state: str) -> bytes:
    """What is signed beneath a report, so that rows cut off its end are missed."""
    return _END + canonical([rollout_id, plan_hash, rows, last.hex(), state]).encode()


def check(rollout_id: str, plan_hash: str, rows: Iterable[EvidenceRow], public: Ed25519PublicKey) -> Flaw | None:
    """Follow the chain from the plan's hash; None when every row holds."""
    prev = genesis(rollout_id, plan_hash)
    for expected, row in enumerate(rows, start=1):
        if row.seq != expected or row.rollout_id != rollout_id:
            return Flaw(expected, "missing")
        if row.prev != prev:
            return Flaw(expected, "not_chained")
        if row.hash != _digest(row):
            return Flaw(expected, "changed")
        if not signed(public, row.signature, _SIGNED + row.hash):
            return Flaw(expected, "not_signed")
        prev = row.hash
    return None


def signed(public: Ed25519PublicKey, signature: bytes, statement: bytes) -> bool:
    """Whether the key made this signature."""
    try:
        public.verify(signature, statement)
    except InvalidSignature:
        return False
    return True
