"""The headless demo, end to end over the real protocols."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aside import Ends, Scenario, under_way
from tests.journeys.processes import run
from tests.json_table import promised


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    with under_way(tmp_path_factory.mktemp("demos"), SCENARIOS) as found:
        yield found


@pytest.mark.parametrize("broker", ["mosquitto-if-there", "embedded"])
def test_the_headless_demo_sees_the_city_as_it_is(ends: Ends, broker: str) -> None:
    ends[broker].result()


def watched(base: Path, *broker: str) -> None:
    place = ["--directory", str(base), "--nodes", "120"]
    done = run("demo", "--headless", "--seconds", "30", "--json", *place, *broker)
    assert done.returncode == 0, (done.stdout, done.stderr)
    found = json.loads(done.stdout)
    assert set(found) == promised("demo")[0]
    assert found["nodes"]["known"] == 120
    assert found["healthy_ok"] > 0.95
    assert found["polls"]["ok"] >= 100
    assert (
        found["messages"]["stored"] + found["messages"]["duplicates"] + found["messages"]["quarantined"]
        == (found["messages"]["received"])
    )
    assert found["messages"]["stored"] > 500
    assert found["messages"]["quarantined"] == 0
    assert found["measurements"] > 1000
    assert found["store_bytes"] > 0


SCENARIOS: dict[str, Scenario] = {
    "mosquitto-if-there": watched,
    "embedded": lambda base: watched(base, "--embedded-broker"),
}
