"""The store from the command line: imports leave operations, checks find damage, backups come back."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from console.clock import now_ms
from local_store import quarantine
from local_store.db import Store
from local_store.keys import store_key
from local_store.lease import Lease
from local_store.oplog import of_entity
from local_store.records import QuarantineRow
from local_store.telemetry import roll, tail
from tests.journeys.processes import LEITSTAND, objects, run

CSV = "node_id,name,address,role\na,Mast,10.0.0.1,mesh\nb,Turm,10.0.0.2,mesh\n"


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[Store]:
    """The store, opened beside the commands."""
    store = Store(directory, store_key(directory).raw)
    with contextlib.closing(store):
        yield store


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """A store with two nodes, as options of a command."""
    (tmp_path / "nodes.csv").write_text(CSV)
    (tmp_path / "leitstand.toml").write_text('[store]\ndirectory = "store"\nkey = "file"\n')
    options = ["--config", str(tmp_path / "leitstand.toml")]
    assert run("nodes", "import", str(tmp_path / "nodes.csv"), *options).returncode == 0
    return options


def names(place: list[str]) -> list[str]:
    """The nodes' names."""
    return [node["name"] for node in objects("nodes", "list", *place)]


def test_an_import_writes_one_operation_for_each_change(tmp_path: Path, place: list[str]) -> None:
    (tmp_path / "nodes.csv").write_text(CSV.replace("Turm", "Kran"))
    assert run("nodes", "import", str(tmp_path / "nodes.csv"), *place).returncode == 0
    assert run("nodes", "import", str(tmp_path / "nodes.csv"), *place).returncode == 0
    with opened(tmp_path / "store") as store:
        assert [op.kind for op in store.read(lambda cx: of_entity(cx, "node", "a"))] == ["declared"]
        declared, changed = store.read(lambda cx: of_entity(cx, "node", "b"))
    assert json.loads(declared.body)["name"] == "Turm"
    assert json.loads(changed.body) == {"name": "Kran"}
    assert changed.actor


def test_a_sound_store_is_called_sound_and_a_changed_one_is_not(tmp_path: Path, place: list[str]) -> None:
    sound = objects("store", "verify", *place)[0]
    assert (sound["sound"], sound["findings"], sound["audit"]["entries"]) == (True, [], 2)
    with opened(tmp_path / "store") as store:
        store.ops.write(lambda cx: cx.execute("UPDATE audit SET actor = 'somebody else' WHERE seq = 1"))
    done = run("store", "verify", *place)
    assert done.returncode == 1
    assert "audit log: entry 1" in done.stdout
    assert objects("store", "verify", *place)[0]["sound"] is False


def spoil(directory: Path) -> None:
    """Two batches of measurements that do not unpack, set aside by a roll; one message nobody understood."""
    with opened(directory) as store:
        for t_ms in (1, 2):
            store.telemetry.write(partial(tail.append, samples=[(1, t_ms, 0.5), (2, t_ms, 0.5)]))
        store.telemetry.write(lambda cx: cx.execute("UPDATE tail SET body = x'00'"))
        list(roll.roll(store))
        store.telemetry.write(lambda cx: quarantine.add(cx, [QuarantineRow(1, "b", "t", "k", "garbled", b"x")]))


def test_damaged_rows_are_listed_taken_out_and_let_go_with_a_reason(tmp_path: Path, place: list[str]) -> None:
    spoil(tmp_path / "store")
    listed = objects("store", "damaged", "list", *place)
    assert [(one["row"], one["place"], one["measurements"]) for one in listed] == [(1, "tail", 2), (2, "tail", 2)]
    shown = objects("store", "damaged", "show", "2", *place)[0]
    assert {name: shown[name] for name in listed[1]} == listed[1]
    assert (shown["body_base64"], shown["times_base64"]) == ("AA==", None)
    verified = run("store", "verify", *place)
    assert verified.returncode == 1
    assert "2 damaged rows are set aside" in verified.stderr
    assert "restore a backup" not in verified.stderr

    assert run("store", "damaged", "dismiss", "1", *place).returncode == 2  # without a reason
    assert run("store", "damaged", "dismiss", "1", "--all", "--reason", "x", *place).returncode == 2
    absent = run("store", "damaged", "dismiss", "1", "7", "--reason", "x", *place)
    assert (absent.returncode, absent.stderr.partition(";")[0]) == (1, "no damaged row 7 is set aside")
    assert objects("store", "damaged", "list", *place) == listed

    (gone,) = objects("store", "damaged", "dismiss", "1", "--reason", "bad stick", *place)
    assert {name: gone[name] for name in listed[0]} == listed[0]
    german = run("--lang", "de", "store", "damaged", "dismiss", "--all", "--reason", "bad stick", *place)
    assert (german.returncode, german.stderr) == (0, "verworfen: 1 Zeile\n")
    assert objects("store", "damaged", "list", *place) == []
    assert objects("store", "verify", *place)[0]["sound"] is True
    assert reasons(place, "damaged.dismiss", tmp_path) == ["bad stick", "bad stick"]


def test_a_message_nobody_understood_is_let_go_with_a_reason(tmp_path: Path, place: list[str]) -> None:
    spoil(tmp_path / "store")
    assert run("quarantine", "dismiss", "1", "--reason", " ", *place).returncode == 2
    assert run("quarantine", "dismiss", "9", "--reason", "x", *place).returncode == 1
    assert objects("quarantine", "dismiss", "1", "--reason", "a test", *place)[0]["item"] == 1
    assert objects("quarantine", "list", *place) == []
    assert reasons(place, "quarantine.dismiss", tmp_path) == ["a test"]


def reasons(place: list[str], kind: str, folder: Path) -> list[str]:
    """Why things were let go, as the operations say that the outbox lists."""
    about = [one["about"] for one in objects("outbox", "list", f"kind={kind}", *place)]
    entity = kind.partition(".")[0]
    with opened(folder / "store") as store:
        ops = [store.read(partial(of_entity, entity=entity, entity_id=one)) for one in about]
    return [json.loads(op.body)["reason"] for (op,) in ops]


def test_a_backup_comes_back_only_on_demand(tmp_path: Path, place: list[str]) -> None:
    copy = str(tmp_path / "copy")
    made = run("store", "backup", copy, *place)
    assert made.returncode == 0
    assert "store.key" in made.stderr
    assert run("store", "backup", copy, *place).returncode == 4
    (tmp_path / "nodes.csv").write_text(CSV.replace("Mast", "Kran"))
    run("nodes", "import", str(tmp_path / "nodes.csv"), *place)
    looked = run("store", "restore", copy, *place)
    assert looked.returncode == 1
    assert "--yes" in looked.stderr
    assert names(place) == ["Kran", "Turm"]
    assert objects("store", "restore", copy, "--yes", *place)[0]["restored"] is True
    assert names(place) == ["Mast", "Turm"]
    again = run("store", "restore", copy, "--yes", *place)
    assert Path(again.stderr.rpartition(" lies in ")[2].strip()) == tmp_path / "store" / "before-restore-2"
    assert (tmp_path / "store" / "before-restore-2" / "ops.db").exists()


def test_a_store_with_an_engine_is_not_replaced(tmp_path: Path, place: list[str]) -> None:
    assert run("store", "backup", str(tmp_path / "copy"), *place).returncode == 0
    with opened(tmp_path / "store") as store:
        lease = Lease(store, now_ms())
        refused = run("store", "restore", str(tmp_path / "copy"), "--yes", *place)
        german = [*LEITSTAND, "--lang", "de", "store", "restore", str(tmp_path / "copy"), "--yes", *place]
        told = subprocess.run(german, capture_output=True, text=True, check=False)
        lease.release()
    assert (refused.returncode, told.returncode) == (4, 4)
    assert told.stderr.startswith("der Speicher wird benutzt: ")


def test_a_copy_that_was_touched_is_refused(tmp_path: Path, place: list[str]) -> None:
    run("store", "backup", str(tmp_path / "copy"), *place)
    with (tmp_path / "copy" / "ops.db").open("r+b") as file:
        file.seek(5000)
        file.write(b"\0\1\2")
    done = run("store", "restore", str(tmp_path / "copy"), "--yes", *place)
    assert done.returncode == 4
    assert "not what its manifest says" in done.stderr
