"""The operation log (`ops.db`): every change a person makes, with what it was based on. The outbox of synchronisation.

State is a function of the set of operations: whoever has the same ones sees the same fields and the same conflicts.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from local_store import audit, columns, hlc
from local_store.errors import StoreRefused
from local_store.sqlite import Connection
from local_store.uuid7 import uuid7


@dataclass(frozen=True, slots=True)
class Change:
    """What a person wants: new values of fields of one thing.

    `seen` names, per field, the operations whose values were before the person's eyes; a field that is not in it
    counts as seen in its present state.
    """

    entity: str
    entity_id: str
    kind: str
    values: Mapping[str, object]
    seen: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Op:
    """One operation as stored and sent. `base` and `body` are canonical JSON."""

    op_id: str
    replica: str
    seq: int
    hlc: str
    actor: str
    entity: str
    entity_id: str
    kind: str
    base: str
    body: str


@dataclass(frozen=True, slots=True)
class FieldState:
    """A field's value, the operation it came from, and others made without knowing of it: open conflicts."""

    value: object
    op_id: str
    conflicts: tuple[str, ...]


_OP = columns.select("op", Op)
_OP_INSERT = columns.insert("op", Op)
_OP_VALUES = columns.values(Op)


def _remember(cx: Connection, key: str, value: str) -> None:
    cx.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))


def replica_id(cx: Connection, rng: random.Random) -> str:
    """This store's own 64-bit name among replicas, made at first use; give a system source of randomness."""
    row = cx.execute("SELECT value FROM meta WHERE key = 'replica'").fetchone()
    if row is None:
        row = (f"{rng.getrandbits(64):016x}",)
        _remember(cx, "replica", row[0])
    return str(row[0])


def clock(cx: Connection, replica: str) -> hlc.Stamp:
    """The last stamp given out or taken in."""
    row = cx.execute("SELECT value FROM meta WHERE key = 'hlc'").fetchone()
    return hlc.parse(row[0]) if row else hlc.start(replica)


def record(cx: Connection, change: Change, actor: str, *, now_ms: int, rng: random.Random) -> Op:
    """Write the operation, its field versions and its audit entry, in the transaction of the state it changes."""
    replica = replica_id(cx, rng)
    stamp = hlc.tick(clock(cx, replica), now_ms)
    _remember(cx, "hlc", stamp.text())
    last = cx.execute("SELECT max(seq) FROM op WHERE replica = ?", (replica,)).fetchone()[0]
    op = Op(
        op_id=uuid7(now_ms, rng),
        replica=replica,
        seq=(last or 0) + 1,
        hlc=stamp.text(),
        actor=actor,
        entity=change.entity,
        entity_id=change.entity_id,
        kind=change.kind,
        base=audit.canonical({**_versions(cx, change), **{name: list(ids) for name, ids in change.seen.items()}}),
        body=audit.canonical(dict(change.values)),
    )
    _store(cx, op, now_ms)
    return op


def receive(cx: Connection, op: Op, *, now_ms: int, rng: random.Random) -> bool:
    """Take in another replica's operation; False when it is here already, whatever the order of arrival.

    Raises StoreRefused when it is malformed or its replica has given its number to another operation, and
    hlc.StampAhead when its clock is too far ahead; keep it aside then and take it again later.
    """
    if cx.execute("SELECT 1 FROM op WHERE op_id = ?", (op.op_id,)).fetchone():
        return False
    _refuse_malformed(op)
    if cx.execute("SELECT 1 FROM op WHERE replica = ? AND seq = ?", (op.replica, op.seq)).fetchone():
        raise StoreRefused(
            f"replica {op.replica} has numbered two operations {op.seq}: a copied store is in use, give one a new name"
        )
    here = replica_id(cx, rng)
    stamp = hlc.receive(clock(cx, here), hlc.parse(op.hlc), now_ms)
    _remember(cx, "hlc", stamp.text())
    _store(cx, op, now_ms)
    return True


def _refuse_malformed(op: Op) -> None:
    try:
        body, base = json.loads(op.body), json.loads(op.base)
    except (ValueError, RecursionError) as error:
        raise StoreRefused(f"operation {op.op_id} of {op.replica} is no JSON ({error}): it cannot be taken") from error
    lists = base.values() if isinstance(base, dict) else [None]
    if not isinstance(body, dict) or not all(isinstance(ids, list) and all(map(_is_text, ids)) for ids in lists):
        raise StoreRefused(f"operation {op.op_id} of {op.replica} has no fields or no base: it cannot be taken")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _versions(cx: Connection, change: Change) -> dict[str, list[str]]:
    """The present version of each touched field; its hidden conflicts were not seen and stay open."""
    rows = cx.execute(
        "SELECT field, op_id FROM field_version WHERE entity = ? AND entity_id = ?", (change.entity, change.entity_id)
    )
    return {name: [op_id] for name, op_id in rows if name in change.values}


def _store(cx: Connection, op: Op, now_ms: int) -> None:
    cx.execute(_OP_INSERT, _OP_VALUES(op))
    for name, state in fields(of_entity(cx, op.entity, op.entity_id)).items():
        cx.execute(
            "INSERT INTO field_version VALUES (?, ?, ?, ?)"
            " ON CONFLICT (entity, entity_id, field) DO UPDATE SET op_id = excluded.op_id"
            " WHERE op_id <> excluded.op_id",
            (op.entity, op.entity_id, name, state.op_id),
        )
    told = {"op": op.op_id, "entity_id": op.entity_id, "digest": digest(op)}
    audit.append(cx, op.actor, f"{op.entity}.{op.kind}", told, now_ms)


def digest(op: Op) -> str:
    """What the audit log holds instead of the body: personal data can be deleted without breaking the chain."""
    return hashlib.sha256(audit.canonical(_OP_VALUES(op)).encode()).hexdigest()


def changed(cx: Connection) -> list[str]:
    """Operations that are missing or not what the audit log says they were."""
    told = {}
    for action, body in cx.execute("SELECT action, body FROM audit"):
        entry = json.loads(body)
        if "op" in entry and "digest" in entry:
            told[entry["op"]] = (action, entry["digest"])
    there = {op.op_id: (f"{op.entity}.{op.kind}", digest(op)) for op in (Op(*row) for row in cx.execute(_OP))}
    return sorted(op_id for op_id in told.keys() | there.keys() if told.get(op_id) != there.get(op_id))


def of_entity(cx: Connection, entity: str, entity_id: str) -> list[Op]:
    """Every operation on one thing, in clock order."""
    rows = cx.execute(f"{_OP} WHERE entity = ? AND entity_id = ? ORDER BY hlc", (entity, entity_id))
    return [Op(*row) for row in rows]


def outbox(cx: Connection, limit: int) -> list[Op]:
    """Own operations nobody has confirmed yet, in order."""
    rows = cx.execute(
        f"{_OP} WHERE sent_ms IS NULL"
        " AND replica = (SELECT value FROM meta WHERE key = 'replica')"
        " ORDER BY seq LIMIT ?",
        (limit,),
    )
    return [Op(*row) for row in rows]


def outbox_size(cx: Connection) -> int:
    """How many own operations nobody has confirmed yet."""
    own = "replica = (SELECT value FROM meta WHERE key = 'replica')"
    return int(cx.execute(f"SELECT count(*) FROM op WHERE sent_ms IS NULL AND {own}").fetchone()[0])


def mark_sent(cx: Connection, op_ids: Iterable[str], now_ms: int) -> None:
    """Take operations out of the outbox after the other side's durable answer."""
    cx.executemany("UPDATE op SET sent_ms = ? WHERE op_id = ?", ((now_ms, op_id) for op_id in op_ids))


def fields(ops: Iterable[Op]) -> dict[str, FieldState]:
    """The fields of one thing from its operations, in any order.

    An operation replaces the ones it saw. Of those nobody replaced the latest stamp is shown, the others are conflicts.
    """
    values: dict[str, dict[str, tuple[str, object]]] = {}
    replaced: set[tuple[str, str]] = set()
    for op in ops:
        for name, value in json.loads(op.body).items():
            values.setdefault(name, {})[op.op_id] = (op.hlc, value)
        replaced.update((name, seen) for name, ids in json.loads(op.base).items() for seen in ids)
    return {name: _settle(name, made, replaced) for name, made in values.items()}


def _settle(name: str, made: Mapping[str, tuple[str, object]], replaced: set[tuple[str, str]]) -> FieldState:
    standing = sorted((stamp, op_id) for op_id, (stamp, _) in made.items() if (name, op_id) not in replaced)
    # Operations that claim to replace each other in a ring leave nobody standing: then all of them stand.
    standing = standing or sorted((stamp, op_id) for op_id, (stamp, _) in made.items())
    winner = standing[-1][1]
    return FieldState(made[winner][1], winner, tuple(op_id for _, op_id in standing[:-1]))
