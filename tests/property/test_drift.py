"""The three-way table is complete: every combination of intended, applied and running has its one verdict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_mgmt.drift import RANK, Verdict, judge
from mesh_mgmt.uci_change import Key
from mesh_mgmt.uci_text import Value

KEY = Key("wireless", "mesh0", "key")


def one(intended: Value | None, applied: Value | None, running: Value | None) -> Verdict:
    def tree(value: Value | None) -> dict[Key, Value]:
        return {} if value is None else {KEY: value}

    return judge({KEY: intended}, tree(applied), tree(running)).verdict


@pytest.mark.parametrize(
    ("intended", "applied", "running", "verdict"),
    [
        ("a", "a", "a", "in_sync"),
        ("a", "b", "a", "in_sync"),
        ("a", None, "a", "in_sync"),
        ("a", "b", "b", "pending"),
        ("a", None, None, "pending"),
        ("a", "a", "b", "drifted"),
        ("a", "a", None, "drifted"),
        (None, None, "a", "drifted"),
        ("a", "b", "c", "conflict"),
        ("a", "b", None, "conflict"),
        ("a", None, "b", "conflict"),
        (None, "a", "b", "conflict"),
        (None, "a", "a", "pending"),
        (None, "a", None, "in_sync"),
        (None, None, None, "in_sync"),
        (("a",), "b", "a", "in_sync"),
        ("", "b", None, "in_sync"),
    ],
)
def test_the_table(intended: Value | None, applied: Value | None, running: Value | None, verdict: Verdict) -> None:
    assert one(intended, applied, running) == verdict


def test_before_the_first_push_nothing_has_drifted() -> None:
    assert judge({KEY: "a"}, None, {KEY: "b"}).verdict == "pending"


VALUES = st.none() | st.sampled_from(["a", "b", "c"])


@given(VALUES, VALUES, VALUES)
def test_who_changed_decides(intended: Value | None, applied: Value | None, running: Value | None) -> None:
    verdict = one(intended, applied, running)
    node_changed, we_changed = running != applied, intended != applied
    expected = {
        (False, False): "in_sync", (False, True): "pending", (True, False): "drifted", (True, True): "conflict",
    }[node_changed, we_changed]  # fmt: skip
    assert verdict == ("in_sync" if intended == running else expected)


@given(st.dictionaries(st.integers(0, 5), st.tuples(VALUES, VALUES, VALUES)))
def test_a_node_is_as_bad_as_its_worst_option(
    options: dict[int, tuple[Value | None, Value | None, Value | None]],
) -> None:
    keys = {at: Key("p", "s", f"o{at}") for at in options}
    intended = {keys[at]: three[0] for at, three in options.items()}
    applied = {keys[at]: three[1] for at, three in options.items() if three[1] is not None}
    running = {keys[at]: three[2] for at, three in options.items() if three[2] is not None}
    found = judge(intended, applied, running)
    alone = [one(*three) for three in options.values()]
    assert RANK[found.verdict] == max((RANK[verdict] for verdict in alone), default=0)
    assert len(found.options) == sum(verdict != "in_sync" for verdict in alone)


def test_secrets_only_say_that_they_differ() -> None:
    shown = judge({KEY: "geheim"}, {KEY: "geheim"}, {KEY: "anders"}).options[0].masked()
    assert "geheim" not in str(shown)
    assert "anders" not in str(shown)
    assert shown["running"] == "*** (changed)"
    assert shown["applied"] == "***"
