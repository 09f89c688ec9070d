"""Backups and pushes when something is wrong with one node or one kept text: others go on, nothing is hidden."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from local_store import configs
from local_store.db import Store
from local_store.errors import StoreClosed
from playbooks.configuration import backups, service
from playbooks.configuration.backups import Backups, Settings
from tests.sim.config_fleet import Desk, Fleet, resolve

GOOD = "[uci.wireless.radio0]\nchannel = 44\n"


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    (tmp_path / "templates").mkdir()
    return Desk(store, Fleet({"gw": "", "a": "gw", "b": "a"}), tmp_path / "templates")


class Turns(threading.Event):
    """Ends a service after one look."""

    def wait(self, timeout: float | None = None) -> bool:
        return True


def spoil(desk: Desk, sha256: str) -> None:
    """One bit of a kept text tips over."""
    desk.store.ops.write(
        lambda cx: cx.execute("UPDATE config_body SET body = zeroblob(length(body)) WHERE sha256 = ?", (sha256,))
    )


def newest(desk: Desk, name: str) -> str:
    last = desk.store.read(lambda cx: configs.last_backup(cx, name))
    assert last is not None
    return last.sha256


def look_around(desk: Desk) -> Mapping[str, object]:
    """One look of the backup service; what it reports at the next one."""
    told: dict[str, object] = {}
    made = Backups(desk.store, desk.fleet.open_node, Settings(directory=desk.directory), resolve,
                   lambda: desk.fleet.now_ms)  # fmt: skip
    made.run(Turns(), told.update)
    made.run(Turns(), told.update)
    return told


def test_a_damaged_version_of_one_node_stops_no_backup_and_is_whole_again_after_the_next(desk: Desk) -> None:
    desk.templates(GOOD)
    spoil(desk, newest(desk, "a"))
    told = look_around(desk)
    assert "cannot be unpacked" in str(told["trouble"])
    verdicts = {name: look.verdict for name, look in desk.store.read(configs.looks).items()}
    assert verdicts["b"], "the others are judged all the same"
    desk.fleet.now_ms += 2 * backups.DAY_MS
    look_around(desk)
    name = newest(desk, "a")
    assert desk.store.read(lambda cx: configs.body(cx, name))
    assert {name: look.failure for name, look in desk.store.read(configs.looks).items()} == dict.fromkeys(verdicts, "")


def test_a_store_that_takes_nothing_ends_the_service_and_is_not_hidden(desk: Desk) -> None:
    desk.fleet.now_ms += 2 * backups.DAY_MS
    desk.store.ops.close()
    with pytest.raises(StoreClosed):
        look_around(desk)


def test_a_push_whose_text_was_damaged_meanwhile_ends_as_failed(desk: Desk) -> None:
    desk.templates(GOOD)
    desk.ask("b")
    (run,) = service.open_runs(desk.store)
    spoil(desk, service.decode(run.plan).batches[0][0].target)
    assert desk.go_on() == "failed"
    assert service.open_runs(desk.store) == []
    assert desk.fleet.applied("b") == 0
