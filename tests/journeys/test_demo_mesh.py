"""The mesh in the demo, as an engineer works with it: cut nodes, one alarm with its cause, a rollout that is killed."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from console.demo import Demo, city
from tests.journeys.processes import LEITSTAND, WAIT_S, background, objects, quick, run, until

QUICK = ["--canaries", "1", "--soak", "2", "--wave-soak", "1", "--flash", "60"]


def fault(demo: Demo, kind: str, node: str) -> None:
    assert run("simcity", "--directory", str(demo.city), "--fault", kind, node).returncode == 0


def test_a_dead_parent_raises_one_alarm_that_names_what_hangs_on_it(tmp_path: Path) -> None:
    with city(quick(tmp_path, 60, well=True), lambda _: None) as demo:
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


@pytest.mark.timeout(900)
def test_a_rollout_is_paused_killed_and_goes_on_to_its_proof(tmp_path: Path) -> None:
    with city(quick(tmp_path, 30, well=True), lambda _: None) as demo:
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
        report = tmp_path / "report.html"
        assert run("rollout", "report", rollout, "--html", str(report), *config).returncode == 0
        assert run("rollout", "verify", str(report), *config).returncode == 0
        page = report.read_text()
        assert "<td>proven</td>" in page
        report.write_text(page.replace("<td>proven</td>", "<td>refused</td>", 1))
        assert run("rollout", "verify", str(report), *config).returncode != 0
