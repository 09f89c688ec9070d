"""The one gate for writes: who may ask for what, until when, and that an intent is decided once."""

from __future__ import annotations

import random
import uuid
from itertools import pairwise

import pytest

from local_store import audit, intents, oplog
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.intents import Refusal, Role, WriteGrant, WriteRefused
from local_store.uuid7 import uuid7

ARMED = WriteGrant("mk", "network", armed_until_ms=100)
PAST = WriteGrant("mk", "network", armed_until_ms=100, in_the_past=True)


def queue(store: Store, now_ms: int = 10) -> str:
    rng = random.Random(now_ms)
    return store.ops.write(lambda cx: intents.queue(cx, ARMED, "node.poll", '{"node":"a"}', now_ms=now_ms, rng=rng))


def withdraw(store: Store, intent_id: str, grant: WriteGrant = ARMED) -> None:
    store.ops.write(lambda cx: intents.withdraw(cx, intent_id, grant, now_ms=14, rng=random.Random(14)))


@pytest.mark.parametrize(
    ("actor", "role", "armed_until_ms", "expected"),
    [
        ("mk", "network", 100, None),
        ("mk", "field", 100, None),
        ("mk", "dispatch", 100, "role_may_not"),
        ("mk", "network", None, "not_armed"),
        ("mk", "network", 10, "no_longer_armed"),
        (" ", "network", 100, "no_actor"),
    ],
)
def test_the_grant_decides(
    store: Store, actor: str, role: Role, armed_until_ms: int | None, expected: Refusal | None
) -> None:
    grant = WriteGrant(actor, role, armed_until_ms)
    assert intents.refusal(grant, "node.poll", 10) == expected
    if expected is not None:
        with pytest.raises(WriteRefused) as caught:
            store.ops.write(lambda cx: intents.queue(cx, grant, "node.poll", "{}", now_ms=10, rng=random.Random(1)))
        assert caught.value.reason == expected
        assert store.read(intents.queued) == []


def test_intents_wait_in_order_and_are_decided_once(store: Store) -> None:
    first, second = queue(store, 10), queue(store, 11)
    assert [intent.intent_id for intent in store.read(intents.queued)] == [first, second]
    store.ops.write(lambda cx: intents.decide(cx, first, "done", "ok", 12))
    with pytest.raises(StoreRefused, match="is done already"):
        store.ops.write(lambda cx: intents.decide(cx, first, "done", "again", 13))
    withdraw(store, second)
    with pytest.raises(StoreRefused, match="is withdrawn already"):
        store.ops.write(lambda cx: intents.decide(cx, second, "done", "late", 15))
    with pytest.raises(StoreRefused, match="does not exist"):
        withdraw(store, "none")
    assert store.read(intents.queued) == []


def test_asking_and_taking_back_are_operations_in_the_audit_log(store: Store) -> None:
    first = queue(store)
    withdraw(store, first)
    ops = store.read(lambda cx: oplog.of_entity(cx, "intent", first))
    assert [(op.kind, op.actor) for op in ops] == [("queue", "mk"), ("withdraw", "mk")]
    asked = oplog.fields(ops)
    assert (asked["kind"].value, asked["state"].value) == ("node.poll", "withdrawn")
    actions = [entry.action for entry in store.read(lambda cx: audit.entries(cx, 0, 9))]
    assert actions == ["intent.queue", "intent.withdraw"]
    assert store.read(oplog.changed) == []


def test_taking_back_passes_the_gate_too(store: Store) -> None:
    first = queue(store)
    for grant in (WriteGrant("mk", "network", None), WriteGrant("mk", "dispatch", 100), PAST):
        with pytest.raises(WriteRefused):
            withdraw(store, first, grant)
    assert [intent.intent_id for intent in store.read(intents.queued)] == [first]
    assert len(store.read(lambda cx: oplog.outbox(cx, 9))) == 1


def test_who_looks_at_the_past_writes_nothing(store: Store) -> None:
    assert intents.refusal(PAST, "node.poll", 10) == "in_the_past"
    with pytest.raises(WriteRefused, match="the past"):
        store.ops.write(lambda cx: intents.queue(cx, PAST, "node.poll", "{}", now_ms=10, rng=random.Random(1)))


def test_uuid7_sorts_by_time_and_is_a_version_7() -> None:
    rng = random.Random(1)
    made = [uuid7(1_700_000_000_000 + n, rng) for n in range(50)]
    assert all(before < after for before, after in pairwise(made))
    assert {uuid.UUID(text).version for text in made} == {7}
    assert {uuid.UUID(text).variant for text in made} == {uuid.RFC_4122}
