"""The screens of configurations and of new nodes: differences without secrets, one key for everything at the mast."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from local_store import configs, intents
from local_store.configs import FindingRow
from local_store.db import Store
from mesh_mgmt.drift import judge
from mesh_mgmt.uci_change import Key
from playbooks.configuration.policy import masked_drift
from playbooks.provisioning import runner
from tests.sim.test_provisioning import JOB, Mast
from tests.tui.city import NOW_MS, fill
from tests.tui.driver import running

TEXT = "package wireless\n\nconfig wifi-iface 'mesh0'\n\toption key 'streng-geheim'\n\n"


@pytest.fixture
def city(tmp_path: object) -> Iterator[Store]:
    """A node that somebody changed, one broken rule and one excepted."""
    store = fill(tmp_path / "store", 20)  # type: ignore[operator]
    keys = Key("wireless", "radio0", "channel"), Key("wireless", "mesh0", "key")
    drift = judge({keys[0]: "100", keys[1]: "geheim-1"}, {keys[0]: "100", keys[1]: "geheim-1"},
                  {keys[0]: "36", keys[1]: "geheim-2"})  # fmt: skip
    found = [
        FindingRow("ge-tst-0003", "telnet", "fail", "critical", "No telnet", "telnet.t.Port", "23", NOW_MS),
        FindingRow("ge-tst-0003", "power", "excepted", "info", "Enough power", "wireless.radio0.txpower", "3", NOW_MS),
    ]

    def write(cx: object) -> None:
        configs.add_backup(cx, "ge-tst-0003", TEXT, "uci", cause="daily", actor="", now_ms=NOW_MS)  # type: ignore[arg-type]
        configs.judge(cx, "ge-tst-0003", "drifted", masked_drift(drift), found, NOW_MS)  # type: ignore[arg-type]

    store.ops.write(write)
    yield store
    store.close()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (60, 20)])
async def test_d_on_a_node_shows_what_is_not_as_intended(city: Store, size: tuple[int, int]) -> None:
    async with running(city.directory, size, "de") as ui:
        ui.app.open_target("node:ge-tst-0003")
        await ui.until("Mast 3")
        await ui.press("d")
        shown = await ui.until("am Knoten geändert", "- 36", "+ 100", "*** (geändert)", "No telnet")
        assert "geheim" not in shown
        assert all(len(line) <= size[0] for line in shown.splitlines())


async def test_the_list_leads_with_the_worst_and_counts_broken_rules(city: Store) -> None:
    async with running(city.directory, lang="en") as ui:
        await ui.press("8")
        shown = await ui.until("changed on the node", "RULES")
        assert next(line for line in shown.splitlines() if "ge-tst" in line).split()[0].endswith("ge-tst-0003")
        await ui.press("Enter")
        await ui.until("Difference", "daily backup")


async def test_at_the_mast_one_key_answers_and_begins(city: Store) -> None:
    mast = Mast(city)
    run_id = mast.begin()
    assert mast.go_on() == "asks"
    async with running(city.directory, (80, 24), "en") as ui:
        await ui.press("9")
        await ui.until("ge-bue-0099", "Is this the key on its label?", "SHA256:")
        await ui.press("!")
        await ui.until("WRITING")
        await ui.press("a")
        await ui.until("yes, agreed")
        await ui.press("Enter")
        await ui.until("answered")
        runner.execute(city, NOW_MS)
        assert mast.go_on() == "done"
        await ui.until("registration", gone="Is this the key")
        await ui.press("a")
        await ui.until("begin with a new node")
        await ui.press("Enter")
        for text, prompt in (("]C1SN4711", "serial"), ("ge-bue-0100", "node id"), ("10.20.0.100", "address"),
                             ("Markt", "site"), ("2", "neighbours")):  # fmt: skip
            await ui.until(prompt)
            await ui.press(text, "Enter")
        await ui.until("queued")
    runner.execute(city, NOW_MS)
    (run,) = city.read(runner.open_runs)
    job = json.loads(run.plan)
    assert (job["serial"], job["node_id"], job["expected"]) == ("SN4711", "ge-bue-0100", {"5": 2})
    assert run.run_id != run_id
    assert JOB.node_id != job["node_id"]
    assert not city.read(intents.queued)


async def test_at_the_mast_a_wrong_answer_is_asked_again_and_a_refusal_is_told(city: Store) -> None:
    Mast(city).begin()
    async with running(city.directory, (80, 24), "en") as ui:
        await ui.press("9", "!")
        await ui.until("WRITING", "ge-bue-0099")
        await ui.press("a")
        await ui.until("begin with a new node")
        await ui.press("begin", "Enter")
        await ui.until("serial number")
        await ui.press("Enter")
        await ui.until("this is needed: serial number")
        for text, prompt in (("SN4711", "serial"), (JOB.node_id, "node id"), ("10.20.0.100", "address"), ("", "site")):
            await ui.until(prompt)
            await ui.press(text, "Enter")
        await ui.until("neighbours")
        await ui.press("two", "Enter")
        await ui.until("this is no number: neighbours", "two")
        for _at in "two":
            await ui.press_named("backspace")
        await ui.press("2", "Enter")
        await ui.until("queued")
        runner.execute(city, NOW_MS)
        await ui.until("the last request was refused: run", JOB.node_id)
