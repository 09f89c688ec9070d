"""The rollout screens: waves, why it halts, decisions that want the number typed, and nothing written unarmed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_drivers.simcity import images
from local_store import evidence, field_leases, intents, rollouts
from local_store.db import Store
from local_store.field_leases import LeasedNode, LeaseRow
from local_store.views.rollouts import board
from tests.conftest import KEY
from tests.sim.rollout_fleet import NEW, Fleet, decide, go, planned, runner, tree
from tests.tui.driver import running


@pytest.fixture(scope="module")
def halted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A rollout that halted over its budget: every node that took the image fell back."""
    store = Store(tmp_path_factory.mktemp("halted"), KEY)
    fleet = Fleet(tree(14), images.make(["acme,ap5"], *NEW, size=500, brick_pct=100))
    row = planned(store, fleet)
    decide(store, fleet, "start", row.rollout_id)
    run = runner(store, fleet)
    go(run, fleet, lambda: store.read(lambda cx: rollouts.expect(cx, row.rollout_id)).state == "paused")
    yield store
    store.close()


@pytest.mark.parametrize(("lang", "word"), [("de", "HÄLT AN: mehr Fehler"), ("en", "HALTS: more failures")])
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (60, 15)])
async def test_the_board_says_why_it_halts(halted: Store, lang: str, word: str, size: tuple[int, int]) -> None:
    async with running(halted.directory, size, lang) as ui:
        await ui.press("7")
        await ui.until("R-0001", "23.05.5")
        await ui.press("Enter")
        shown = await ui.until(word)
        assert all(len(line) <= size[0] for line in shown.splitlines())


async def test_one_node_shows_its_steps(halted: Store) -> None:
    async with running(halted.directory, lang="en") as ui:
        lost = next(one.node_id for one in halted.read(lambda cx: board(cx, "R-0001")).suspects)  # type: ignore[union-attr]
        ui.app.open_target(f"rolloutnode:R-0001/{lost}")
        await ui.until("lost", "silent past its deadline", "is told to upgrade", "restarts", "acme,ap5")


@pytest.mark.parametrize(
    ("lang", "words"), [("de", ("Draußen", "L-0001 bei tina bis")), ("en", ("In the field", "L-0001 with tina until"))]
)
async def test_the_board_and_the_node_say_who_has_it_until_when(
    tmp_path: Path, lang: str, words: tuple[str, str]
) -> None:
    store = Store(tmp_path, KEY)
    row = planned(store, Fleet(tree(6)))
    node = store.read(lambda cx: rollouts.nodes(cx, row.rollout_id))[0]
    lease = LeaseRow("L-0001", "given", row.rollout_id, "tina", "", "", 1, 2_000_000_000_000)
    store.ops.write(lambda cx: field_leases.create(cx, lease, [LeasedNode("L-0001", node.node_id, node.op_id)]))
    store.ops.write(lambda cx: rollouts.change_node(cx, node, state="field"))
    async with running(tmp_path, lang=lang) as ui:
        ui.app.open_target("rollout:R-0001")
        await ui.until(*words, node.node_id)
        ui.app.open_target(f"rolloutnode:R-0001/{node.node_id}")
        await ui.until("L-0001", "tina", node.op_id)
    store.close()


async def test_going_on_wants_the_number_and_an_armed_console(halted: Store) -> None:
    found = halted.read(lambda cx: board(cx, "R-0001"))
    assert found is not None
    async with running(halted.directory, lang="en") as ui:
        ui.app.open_target("rollout:R-0001")
        await ui.until("HALTS")
        await ui.press("f")
        assert not halted.read(intents.queued)
        await ui.press("!")
        await ui.until("WRITING")
        await ui.press("f")
        await ui.until("Go on with R-0001")
        await ui.press("9", "9", "Enter")
        assert not halted.read(intents.queued)
        await ui.press(*str(found.remaining), "Enter")
        await ui.until("decision queued")
        (asked,) = halted.read(intents.queued)
        assert (asked.kind, json.loads(asked.body)) == (
            "rollout.resume", {"rollout": "R-0001", "confirm": found.remaining},
        )  # fmt: skip


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("de", ("Unterschriebener Beleg 1", "belegt", "Nachbarn 5 GHz: ", "verlangt ist mindestens 90 % von ")),
        ("en", ("Signed proof 1", "proven", "neighbours 5 GHz: ", "wanted is at least 90% of ")),
    ],
)
async def test_a_proven_node_shows_its_signed_proof(tmp_path: Path, lang: str, words: tuple[str, ...]) -> None:
    store = Store(tmp_path, KEY)
    fleet = Fleet(tree(4), images.make(["acme,ap5"], *NEW, size=500))
    row = planned(store, fleet)
    decide(store, fleet, "start", row.rollout_id)
    run = runner(store, fleet)
    go(run, fleet, lambda: bool(store.read(lambda cx: evidence.of_rollout(cx, row.rollout_id))))
    proof = store.read(lambda cx: evidence.of_rollout(cx, row.rollout_id))[0]
    async with running(tmp_path, (80, 40), lang) as ui:
        ui.app.open_target(f"rolloutnode:R-0001/{proof.node_id}")
        await ui.until(*words, NEW[0], proof.hash.hex()[:60])
    store.close()
