"""The audit chain: every way of tampering is named at its first entry, or only shows against a head kept elsewhere."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local_store import audit
from local_store.audit import Break, Head, Verdict
from local_store.db import Store
from local_store.sqlite import Connection

SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SIGNER.public_key()


@pytest.fixture
def told(store: Store) -> Store:
    """Twenty-five entries, heads after 10 and 20."""

    def write(cx: Connection) -> None:
        for number in range(1, 26):
            assert audit.append(cx, "mk", "alert.ack", {"n": number, "text": "Bürgerbüro"}, 1000 + number) == number
            audit.sign_head(cx, SIGNER, 1000 + number, every=10)

    store.ops.write(write)
    return store


def check(store: Store, *anchors: Head) -> Verdict:
    return store.read(lambda cx: audit.verify(cx, PUBLIC, anchors))


def tamper(store: Store, *statements: str) -> None:
    for statement in statements:
        store.ops.write(lambda cx, sql=statement: cx.execute(sql))


def rechain(store: Store) -> None:
    """What somebody with the file but without the signing key can do."""

    def write(cx: Connection) -> None:
        told = cx.execute("SELECT at_ms, actor, action, body FROM audit ORDER BY seq").fetchall()
        cx.execute("DELETE FROM audit")
        for at_ms, actor, action, body in told:
            audit.append(cx, actor, action, audit.json.loads(body), at_ms)

    store.ops.write(write)


def test_an_honest_chain_holds(told: Store) -> None:
    assert check(told) == Verdict(entries=25, heads=2, unsigned=5, broken=None)
    assert [entry.seq for entry in told.read(lambda cx: audit.entries(cx, 23, 10))] == [24, 25]


def test_an_empty_chain_holds(store: Store) -> None:
    assert check(store) == Verdict(0, 0, 0, None)
    assert store.ops.write(lambda cx: audit.sign_head(cx, SIGNER, 1, every=1)) is None


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE audit SET body = '{}' WHERE seq = 7", Break(7, "changed")),
        ("UPDATE audit SET actor = 'xx' WHERE seq = 7", Break(7, "changed")),
        ("UPDATE audit SET at_ms = 1 WHERE seq = 1", Break(1, "changed")),
        ("UPDATE audit SET action = 'none' WHERE seq = 25", Break(25, "changed")),
        ("DELETE FROM audit WHERE seq = 7", Break(7, "missing")),
        ("DELETE FROM audit WHERE seq = 1", Break(1, "missing")),
        ("DELETE FROM audit WHERE seq > 15", Break(20, "cut_off")),
        ("UPDATE audit SET prev = zeroblob(32) WHERE seq = 7", Break(7, "not_chained")),
        ("UPDATE audit_head SET signature = zeroblob(64) WHERE seq = 10", Break(10, "head_not_signed")),
        ("UPDATE audit_head SET at_ms = 1 WHERE seq = 20", Break(20, "head_not_signed")),
        ("UPDATE audit_head SET seq = 11 WHERE seq = 10", Break(11, "head_not_signed")),
    ],
)
def test_tampering_is_named_at_its_first_entry(told: Store, statement: str, expected: Break) -> None:
    tamper(told, statement)
    assert check(told).broken == expected


def test_swapped_entries_are_found(told: Store) -> None:
    tamper(
        told,
        "UPDATE audit SET seq = -5 WHERE seq = 5",
        "UPDATE audit SET seq = 5 WHERE seq = 6",
        "UPDATE audit SET seq = 6 WHERE seq = -5",
    )
    assert check(told).broken == Break(5, "not_chained")


def test_a_chain_rebuilt_without_the_key_contradicts_its_heads(told: Store) -> None:
    tamper(told, "UPDATE audit SET body = '{}' WHERE seq = 7")
    rechain(told)
    assert check(told).broken == Break(10, "head_differs")


def test_dropping_all_heads_shows_only_against_one_kept_elsewhere(told: Store) -> None:
    anchor = told.read(audit.last_head)
    assert anchor is not None
    assert audit.is_genuine(anchor, PUBLIC)
    assert check(told, anchor).broken is None
    tamper(told, "DELETE FROM audit_head", "UPDATE audit SET body = '{}' WHERE seq = 7")
    rechain(told)
    assert check(told).broken is None
    assert check(told, anchor).broken == Break(20, "anchor_differs")
    tamper(told, "DELETE FROM audit WHERE seq > 15")
    assert check(told).broken is None
    assert check(told, anchor).broken == Break(20, "cut_off")


def test_another_key_signs_nothing_here(told: Store) -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    assert told.read(lambda cx: audit.verify(cx, other)).broken == Break(10, "head_not_signed")


def test_json_has_one_spelling() -> None:
    assert audit.canonical({"b": 1, "a": "ü"}) == '{"a":"\\u00fc","b":1}'
    with pytest.raises(ValueError, match="JSON"):
        audit.canonical({"a": float("nan")})
