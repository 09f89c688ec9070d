"""A technician's laptop and the console at work at once, as whole processes over real nodes: one flash a node."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_store import rollouts
from local_store.db import Store
from tests.journeys.processes import background, run
from tests.lab import images
from tests.lab.console import Console, console, open_store
from tests.lab.lab import Lab, opened, until

LAPTOP = '[store]\ndirectory = "store"\nkey = "file"\n[ssh.default]\nkey_file = "store/field.key"\ntimeout_s = 2\n'
MINE, FORGOTTEN = "lab-06", "lab-07"
"""Neither is a canary of its model: those have to be proven before the console goes on."""


@pytest.fixture(scope="module")
def mesh() -> Iterator[Lab]:
    with opened(7) as lab:
        yield lab


def leitstand(base: Path, *arguments: str) -> str:
    """One command of the console or the laptop in `base`; what it printed."""
    done = run(*arguments, "--config", str(base / "leitstand.toml"), cwd=base)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def fingerprint(printed: str) -> str:
    return next(line.split()[-1] for line in printed.splitlines() if "fingerprint" in line)


@contextlib.contextmanager
def laptop_with_lease(desk: Console, base: Path, rollout: str, *names: str) -> Iterator[Store]:
    """A laptop that asked for these nodes and took them; both fingerprints were compared."""
    base.mkdir()
    (base / "leitstand.toml").write_text(LAPTOP)
    asked = leitstand(base, "lease", "request", "laptop.request", "--holder", "tina")
    nodes = [word for name in names for word in ("--node", name)]
    request = ["--request", str(base / "laptop.request"), "--fingerprint", fingerprint(asked)]
    leitstand(desk.base, "lease", "give", rollout, str(base / "a.lease"), *request, *nodes)
    shown = run("lease", "take", str(base / "a.lease"), "--config", str(base / "leitstand.toml"), input="n\n")
    leitstand(base, "lease", "take", str(base / "a.lease"), "--fingerprint", shown.stderr.split()[4].strip())
    store = open_store(base)
    try:
        yield store
    finally:
        store.close()


def state(store: Store, rollout: str, name: str) -> Any:
    row = store.read(lambda cx: rollouts.node(cx, rollout, name))
    assert row is not None
    return row.state


def test_console_and_laptop_at_once_flash_each_node_once(mesh: Lab, tmp_path: Path) -> None:
    """The console even forgets one lease, as after a restored backup: then both mean to flash the same node."""
    base = tmp_path / "laptop"
    with console(mesh, tmp_path / "console") as desk:
        desk.release(images.make())
        rollout = desk.plan(only={"lab-03", "lab-04", "lab-05", MINE, FORGOTTEN})
        with laptop_with_lease(desk, base, rollout, MINE, FORGOTTEN) as laptop:
            assert {state(desk.store, rollout, name) for name in (MINE, FORGOTTEN)} == {"field"}
            row = desk.rows(rollout)[FORGOTTEN]
            desk.store.ops.write(lambda cx: rollouts.change_node(cx, row, state="pending"))
            leitstand(base, "rollout", "start", "L-0001")
            engines = [("collect", "--config", str(place / "leitstand.toml")) for place in (base, desk.base)]
            with background(*engines[0], cwd=base), background(*engines[1], cwd=desk.base):
                assert until(lambda: state(laptop, "L-0001", MINE) == "confirmed", 90)
                settled = until(lambda: state(desk.store, rollout, FORGOTTEN) in {"confirmed", "skipped"}, 60)
                now = desk.rollout(rollout)
                assert settled, (now.pause_reason, now.pause_detail, desk.states(rollout))
                assert state(desk.store, rollout, MINE) == "field"
                leitstand(base, "lease", "return", "L-0001", "a.return", "--end")
                leitstand(desk.base, "lease", "merge", str(base / "a.return"))
                assert state(desk.store, rollout, MINE) == "confirmed"
                desk.wait(rollout, "complete")
        logs = {name: [one.op_id for one in mesh.flash_log(name)] for name in desk.rows(rollout)}
        assert logs == {name: [row.op_id] for name, row in desk.rows(rollout).items()}
        keys = {
            name: mesh.inside(name, "cat /etc/dropbear/authorized_keys").count("ssh-") for name in (MINE, FORGOTTEN)
        }
        assert keys == dict.fromkeys(keys, 1), "the laptop's key is gone from the nodes"
