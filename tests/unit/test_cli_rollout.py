"""What the command line says of rollouts: a refused decision, waves of one that is over, a version nobody has."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

from click.testing import CliRunner

from console.cli.main import root
from local_store import intents, rollouts
from local_store.db import Store
from local_store.intents import WriteGrant
from local_store.keys import store_key
from tests.sim.rollout_fleet import Fleet, planned

NOW = 1_790_000_000_000


def test_a_refused_decision_is_told_by_the_status_and_what_was_not_begun_does_not_wait(tmp_path: Path) -> None:
    place = tmp_path / "store"
    with contextlib.closing(Store(place, store_key(place, "file").raw)) as store:
        row = planned(store, Fleet({"g0": "", "n00": "g0", "n01": "g0"}), only={"n00", "n01"})
        rng, grant, body = random.Random(1), WriteGrant("mk", "network", NOW * 2), f'{{"rollout": "{row.rollout_id}"}}'
        store.ops.write(lambda cx: rollouts.change(cx, row, state="aborted", finished_ms=NOW))
        asked = store.ops.write(lambda cx: intents.queue(cx, grant, "rollout.abort", body, now_ms=NOW, rng=rng))
        why = f"{row.rollout_id} is aborted already"
        store.ops.write(lambda cx: intents.refuse(cx, asked, why, NOW))
    done = CliRunner().invoke(root, ["rollout", "status", row.rollout_id, "--store", str(place), "--lang", "en"])
    assert f"the last decision was refused: {why}" in done.output
    assert "not begun" in done.output
    assert "waiting" not in done.output
