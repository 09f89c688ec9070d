"""The demo as an engineer works with it: dead nodes and what hangs on them, killed engines, a rollout. Side by side."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.demo import Demo, city
from tests.aside import Ends, Scenario, under_way
from tests.journeys.processes import LEITSTAND, WAIT_S, background, objects, quick, run, until

QUICK = ["--canaries", "1", "--soak", "2", "--wave-soak", "1", "--flash", "60"]


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    with under_way(tmp_path_factory.mktemp("demos"), SCENARIOS) as found:
        yield found


@pytest.mark.timeout(900)
def test_a_rollout_is_paused_killed_and_goes_on_to_its_proof(ends: Ends) -> None:
    ends["rollout"].result()


def test_a_dead_parent_raises_one_alarm_that_names_what_hangs_on_it(ends: Ends) -> None:
    ends["dead parent"].result()


def test_a_dead_node_is_alarmed_acknowledged_and_recovers(ends: Ends) -> None:
    ends["dead node"].result()


def test_a_killed_engine_goes_on_at_once_and_a_second_one_is_refused(ends: Ends) -> None:
    ends["killed engine"].result()


def fault(demo: Demo, kind: str, node: str) -> None:
    assert run("simcity", "--directory", str(demo.city), "--fault", kind, node).returncode == 0


def dead_parent(base: Path) -> None:
    with city(quick(base, 60, well=True), lambda _: None) as demo:
        config = ["--config", str(demo.config_file)]
        with background("collect", *config):
            until(lambda: len(objects("nodes", "list", "ok", *config)) == 60, "every node is ok")

            def cuts() -> list[dict[str, Any]]:
                """Nodes that take others and sensors with them: links and uplinks told so."""
                found = objects("topology", "cuts", *config)
                return [one for one in found if len(one["behind"]) > 1 and "gesaeubert" in one["systems"]]

            until(lambda: bool(cuts()), "the links of the mesh are known, and who hears the bins")
            cut = min(cuts(), key=lambda one: len(one["behind"]))
            fault(demo, "down", cut["node"])

            def alarms() -> list[str]:
                return [one["entity"] for one in objects("alerts", "list", "kind:down", *config)]

            until(lambda: bool(alarms()), "an alarm")
            behind = set(cut["behind"])
            until(
                lambda: behind <= {one["node"] for one in objects("nodes", "list", "unreachable", *config)},
                "everything behind it is unreachable",
            )
            (alarm,) = objects("alerts", "list", "kind:down", *config)
            assert alarm["entity"] == cut["node"]
            assert alarm["detail"]["sensors"] > 0
            assert "GEsäubert" in run("alerts", "list", "kind:down", *config).stdout
            fault(demo, "up", cut["node"])
            until(lambda: not alarms(), "the alarm closes")
            until(lambda: len(objects("nodes", "list", "ok", *config)) == 60, "everybody is back")
            told = objects("alerts", "list", "--all", "kind:down", *config)
            assert {one["entity"] for one in told} == {cut["node"]}


def rollout_of(demo: Demo, rollout: str) -> dict[str, Any]:
    """What `rollout status` says of one rollout."""
    return objects("rollout", "status", rollout, "--config", str(demo.config_file))[0]


def state(demo: Demo, rollout: str) -> str:
    return str(rollout_of(demo, rollout)["state"])


def count(demo: Demo, rollout: str, what: str) -> int:
    """Nodes of all waves that are `waiting`, `checking`, `ok` or `failed`."""
    return sum(int(wave[what]) for wave in rollout_of(demo, rollout)["waves"])


def rollout_killed(base: Path) -> None:
    with city(quick(base, 30, well=True), lambda _: None) as demo:
        config = ["--config", str(demo.config_file)]
        collect = [*LEITSTAND, "collect", *config]
        with subprocess.Popen(collect) as first, contextlib.ExitStack() as whatever_happens:
            whatever_happens.callback(first.kill)
            until(lambda: len(objects("nodes", "list", "ok", *config)) == 30, "every node is ok")
            version = objects("firmware", "list", *config)[-1]["version"]
            (plan,) = objects("rollout", "plan", "--to", version, *QUICK, "--save", "--actor", "anna", *config)
            assert plan["cut_off"] == 0
            assert plan["nodes"] == sum(map(len, plan["batches"])) > 5
            rollout = str(plan["rollout"])
            assert run("rollout", "approve", rollout, "--actor", "bert", *config).returncode == 0
            until(lambda: state(demo, rollout) == "approved", "the approval")
            assert run("rollout", "start", rollout, "--on-call", "tina", *config).returncode == 0
            until(lambda: count(demo, rollout, "checking") > 0, "a restart")
            first.send_signal(signal.SIGKILL)
            first.wait(WAIT_S)
        with background("collect", *config):
            assert run("rollout", "pause", rollout, *config).returncode == 0
            until(lambda: state(demo, rollout) == "paused", "the pause")
            assert run("rollout", "resume", rollout, *config).returncode == 0
            until(lambda: state(demo, rollout).startswith("complete"), "the end", 600)
        assert state(demo, rollout) == "complete"
        assert count(demo, rollout, "ok") == plan["nodes"]
        report = base / "report.html"
        assert run("rollout", "report", rollout, "--html", str(report), *config).returncode == 0
        assert run("rollout", "verify", str(report), *config).returncode == 0
        page = report.read_text()
        assert "<td>proven</td>" in page
        report.write_text(page.replace("<td>proven</td>", "<td>refused</td>", 1))
        assert run("rollout", "verify", str(report), *config).returncode != 0


def polled(config: Path) -> int:
    """Polls that ended well, as the store counts them."""
    return int(objects("status", "--config", str(config))[0]["totals"].get("polls_ok", 0))


def killed_engine(base: Path) -> None:
    with city(quick(base, 60), lambda _: None) as demo:
        collect = ["collect", "--config", str(demo.config_file)]
        first = subprocess.Popen([*LEITSTAND, *collect])
        until(lambda: polled(demo.config_file) > 30, "the first engine polls")
        second = run("collect", "--config", str(demo.config_file))
        assert second.returncode == 4
        assert f"process {first.pid}" in second.stderr
        first.send_signal(signal.SIGKILL)
        first.wait(WAIT_S)
        before = polled(demo.config_file)
        with background(*collect):
            until(lambda: polled(demo.config_file) > before + 30, "the next engine goes on")
            until(
                lambda: len(objects("nodes", "list", "ok", "--config", str(demo.config_file))) > 50, "nearly all are ok"
            )


def dead_node(base: Path) -> None:
    with city(quick(base, 40), lambda _: None) as demo:
        config = ["--config", str(demo.config_file)]
        with background("collect", *config):
            until(lambda: polled(demo.config_file) > 30, "the engine polls")
            hotspot = next(n for n in objects("nodes", "list", "role:hotspot ok", *config))["node"]
            assert run("simcity", "--directory", str(demo.city), "--fault", "down", hotspot).returncode == 0

            def critical() -> list[dict[str, object]]:
                found = objects("alerts", "list", f"entity={hotspot} severity:critical", *config)
                return [dict(one) for one in found]

            until(lambda: bool(critical()), "an alarm for the dead node", 120)
            number = str(int(float(str(critical()[0]["alert"]))))
            assert run("alerts", "ack", number, "--reason", "on my way", *config).returncode == 0
            until(lambda: critical()[0]["reason"] == "on my way", "the acknowledgement")
            assert run("simcity", "--directory", str(demo.city), "--fault", "up", hotspot).returncode == 0
            until(lambda: not critical(), "the alarm closes by recovery", 120)


SCENARIOS: dict[str, Scenario] = {
    "rollout": rollout_killed,
    "dead parent": dead_parent,
    "dead node": dead_node,
    "killed engine": killed_engine,
}
