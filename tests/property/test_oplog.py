"""Operations: state is a function of their set, nothing made without knowing of another is lost silently."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from local_store import audit, hlc, oplog
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.oplog import Change, Op
from local_store.sqlite import Connection
from tests.conftest import KEY

START_MS = 1_700_000_000_000


class Laptop:
    """One replica in memory, with a clock that is wrong by a fixed offset."""

    def __init__(self, name: int, offset_ms: int) -> None:
        self.replica = f"{name:016x}"
        self.offset_ms = offset_ms
        self.ops: dict[str, Op] = {}
        self.clock = hlc.start(self.replica)

    def edit(self, field: str, value: int, now_ms: int) -> None:
        """Change a field, seeing what this laptop shows."""
        shown = oplog.fields(self.ops.values()).get(field)
        self.clock = hlc.tick(self.clock, now_ms + self.offset_ms)
        seq = 1 + sum(op.replica == self.replica for op in self.ops.values())
        base = json.dumps({field: [shown.op_id]} if shown else {})
        op_id = f"{self.replica}/{seq}"
        op = Op(
            op_id, self.replica, seq, self.clock.text(), "mk", "order", "1", "set", base, json.dumps({field: value})
        )
        self.ops[op_id] = op

    def pull(self, other: Laptop) -> None:
        """Take all of the other's operations."""
        self.ops.update(other.ops)
        self.clock = max(self.clock, other.clock)._replace(replica=self.replica)


EDITS = st.tuples(st.just("edit"), st.integers(0, 2), st.sampled_from(["state", "note"]), st.integers(0, 9))
PULLS = st.tuples(st.just("pull"), st.integers(0, 2), st.integers(0, 2), st.just(0))
OFFSETS = st.lists(st.sampled_from([0, 3 * 3_600_000, -2 * 3_600_000]), min_size=3, max_size=3)


def history(steps: list[tuple[str, int, object, int]], offsets: list[int]) -> list[Laptop]:
    laptops = [Laptop(number, offset) for number, offset in enumerate(offsets)]
    for at, (what, who, other, value) in enumerate(steps):
        if what == "edit":
            laptops[who].edit(str(other), value, START_MS + at)
        else:
            assert isinstance(other, int)
            laptops[who].pull(laptops[other])
    return laptops


@given(st.lists(EDITS | PULLS, max_size=25), OFFSETS, st.randoms())
def test_whoever_has_the_same_operations_sees_the_same(
    steps: list[tuple[str, int, object, int]], offsets: list[int], rng: random.Random
) -> None:
    every = {op.op_id: op for laptop in history(steps, offsets) for op in laptop.ops.values()}
    ops = list(every.values())
    shown = oplog.fields(ops)
    for _ in range(3):
        rng.shuffle(ops)
        assert oplog.fields([*ops, *ops[:2]]) == shown


@given(st.lists(EDITS | PULLS, max_size=25), OFFSETS)
def test_no_edit_is_lost_without_a_word(steps: list[tuple[str, int, object, int]], offsets: list[int]) -> None:
    every = {op.op_id: op for laptop in history(steps, offsets) for op in laptop.ops.values()}
    shown = oplog.fields(every.values())
    standing = {(name, one) for name, state in shown.items() for one in (state.op_id, *state.conflicts)}
    replaced = {(name, one) for op in every.values() for name, ids in json.loads(op.base).items() for one in ids}
    made = {(name, op.op_id) for op in every.values() for name in json.loads(op.body)}
    assert made == standing | (made & replaced)
    assert not standing & replaced


@settings(max_examples=15)
@given(st.lists(EDITS | PULLS, min_size=4, max_size=12), st.randoms())
def test_stores_that_received_in_any_order_agree(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, object, int]], rng: random.Random
) -> None:
    every = {op.op_id: op for laptop in history(steps, [0, 0, 0]) for op in laptop.ops.values()}
    seen = []
    for _ in range(2):
        ops = [*every.values(), *list(every.values())[:3]]
        rng.shuffle(ops)
        store = Store(tmp_path_factory.mktemp("s"), KEY)

        def take(cx: Connection, arriving: list[Op] = ops) -> list[bool]:
            return [oplog.receive(cx, op, now_ms=START_MS, rng=random.Random(1)) for op in arriving]

        assert sum(store.ops.write(take)) == len(every)
        versions = store.read(lambda cx: cx.execute("SELECT * FROM field_version ORDER BY field").fetchall())
        fields = store.read(lambda cx: oplog.fields(oplog.of_entity(cx, "order", "1")))
        assert {name: op_id for _, _, name, op_id in versions} == {name: one.op_id for name, one in fields.items()}
        assert store.read(oplog.outbox_size) == 0
        seen.append((versions, fields))
        store.close()
    assert seen[0] == seen[1]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of its own, as hypothesis needs none shared."""
    opened = Store(tmp_path, KEY)
    yield opened
    opened.close()


def record(store: Store, now_ms: int, value: int, **more: object) -> Op:
    change = Change("alert", "7", "acknowledge", {"reason": value}, **more)  # type: ignore[arg-type]
    rng = random.Random(now_ms * 31 + value)
    return store.ops.write(lambda cx: oplog.record(cx, change, "mk", now_ms=now_ms, rng=rng))


def test_an_operation_its_versions_and_its_audit_entry_are_one(store: Store) -> None:
    first, second = record(store, START_MS, 1), record(store, START_MS - 3_600_000, 2)
    assert (first.seq, second.seq) == (1, 2)
    assert second.hlc > first.hlc, "a clock set back by an hour must not turn the order round"
    assert json.loads(second.base) == {"reason": [first.op_id]}
    assert store.read(lambda cx: oplog.outbox(cx, 9)) == [first, second]
    (_, told) = store.read(lambda cx: audit.entries(cx, 0, 9))
    assert (told.action, json.loads(told.body)["op"]) == ("alert.acknowledge", second.op_id)
    assert store.read(oplog.changed) == []

    def fails(cx: Connection) -> None:
        oplog.record(cx, Change("alert", "7", "x", {"reason": 3}), "mk", now_ms=START_MS, rng=random.Random(9))
        raise StoreRefused("the state could not be changed")

    with pytest.raises(StoreRefused):
        store.ops.write(fails)
    assert store.read(lambda cx: oplog.outbox(cx, 9)) == [first, second]
    store.ops.write(lambda cx: oplog.mark_sent(cx, [first.op_id], START_MS))
    assert store.read(lambda cx: oplog.outbox(cx, 9)) == [second]


def test_a_changed_or_missing_operation_is_found(store: Store) -> None:
    one, other = record(store, START_MS, 1), record(store, START_MS, 2)
    store.ops.write(lambda cx: cx.execute("UPDATE op SET body = '{\"reason\":9}' WHERE op_id = ?", (one.op_id,)))
    store.ops.write(lambda cx: cx.execute("DELETE FROM op WHERE op_id = ?", (other.op_id,)))
    assert store.read(oplog.changed) == sorted([one.op_id, other.op_id])
    public = Ed25519PrivateKey.generate().public_key()
    assert store.read(lambda cx: audit.verify(cx, public)).broken is None


def test_what_was_not_seen_stays_a_conflict(store: Store) -> None:
    mine = record(store, START_MS, 1)
    theirs = Op(
        "z", "f" * 16, 1, f"{START_MS + 5:012x}-0000-{'f' * 16}", "xy", "alert", "7", "set", "{}", '{"reason":2}'
    )
    assert store.ops.write(lambda cx: oplog.receive(cx, theirs, now_ms=START_MS, rng=random.Random(1)))
    shown = store.read(lambda cx: oplog.fields(oplog.of_entity(cx, "alert", "7")))["reason"]
    assert (shown.value, shown.conflicts) == (2, (mine.op_id,))
    record(store, START_MS + 9, 3)
    shown = store.read(lambda cx: oplog.fields(oplog.of_entity(cx, "alert", "7")))["reason"]
    assert (shown.value, shown.conflicts) == (3, (mine.op_id,))
    record(store, START_MS + 10, 4, seen={"reason": [shown.op_id, mine.op_id]})
    shown = store.read(lambda cx: oplog.fields(oplog.of_entity(cx, "alert", "7")))["reason"]
    assert (shown.value, shown.conflicts) == (4, ())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"body": "no json"}, "no JSON"),
        ({"body": "[1]"}, "no fields"),
        ({"base": '{"reason":"z"}'}, "no base"),
        ({"base": '{"reason":[1]}'}, "no base"),
        ({"hlc": "yesterday"}, "no clock stamp"),
        ({"hlc": f"{START_MS + 300_001:012x}-0000-{'f' * 16}"}, "ahead of this clock"),
    ],
)
def test_a_hostile_operation_is_refused_and_leaves_nothing(store: Store, change: dict[str, str], sentence: str) -> None:
    good = {"hlc": f"{START_MS:012x}-0000-{'f' * 16}", "base": "{}", "body": '{"reason":2}'}
    op = Op(
        op_id="z", replica="f" * 16, seq=1, actor="x", entity="alert", entity_id="7", kind="set", **{**good, **change}
    )
    with pytest.raises(StoreRefused, match=sentence):
        store.ops.write(lambda cx: oplog.receive(cx, op, now_ms=START_MS, rng=random.Random(1)))
    assert store.read(lambda cx: cx.execute("SELECT count(*) FROM op").fetchone()[0]) == 0


def test_a_copied_store_is_noticed(store: Store) -> None:
    def take(op_id: str) -> bool:
        op = Op(op_id, "f" * 16, 1, f"{START_MS:012x}-0000-{'f' * 16}", "x", "alert", "7", "set", "{}", "{}")
        return store.ops.write(lambda cx: oplog.receive(cx, op, now_ms=START_MS, rng=random.Random(1)))

    assert take("a")
    assert not take("a")
    with pytest.raises(StoreRefused, match="copied store"):
        take("b")
