"""What commands print: nothing steers a terminal, nothing wraps, a reader may leave, numbers stay exact."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import texts
from console.cli import render
from local_store import quarantine
from local_store.db import Store
from local_store.keys import store_key
from local_store.nodes import upsert_nodes
from local_store.records import Node, QuarantineRow
from tests.journeys.processes import LEITSTAND, objects, run

STEERING = "\x1b[2J\x9b31m\x07\u202e\u2028"


@given(st.text())
def test_visible_text_holds_nothing_that_steers_and_loses_nothing(text: str) -> None:
    shown = render.visible(text)
    assert shown.isprintable() or not text.isprintable()
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 or 0xD800 <= ord(letter) < 0xE000 for letter in shown)
    if text.isprintable():
        assert shown == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_lines_keep_every_letter_and_steer_nothing(text: str) -> None:
    line = render.json_text({"value": text, "none": float("nan")})
    assert json.loads(line) == {"value": text, "none": None}
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in line)


def test_a_row_is_cut_at_the_width_of_a_terminal_and_never_elsewhere() -> None:
    assert render._fit("Gelsenkirchen-Buer", 10) == "Gelsenkir…"
    assert render._fit("日本日本日本", 6) == "日本 …"
    assert render._fit("x" * 500, None) == "x" * 500


def hostile(directory: Path, count: int = 3) -> None:
    """A store whose names and messages try to steer a terminal."""
    store = Store(directory, store_key(directory, "file").raw)
    nodes = [Node(f"ge-bue-{n:04}", f"M{STEERING}", f"10.0.{n // 250}.{n % 250}", "mesh") for n in range(count)]
    store.ops.write(lambda cx: upsert_nodes(cx, nodes, 1))
    row = QuarantineRow(1, "b", f"t{STEERING}", "k", "garbled", STEERING.encode() + b"\xff")
    store.telemetry.write(lambda cx: quarantine.add(cx, [row]))
    store.close()


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["lines", "json"])
@pytest.mark.parametrize(
    "command",
    [["nodes", "list"], ["nodes", "show", "ge-bue-0001"], ["quarantine", "list"], ["quarantine", "show", "1"]],
    ids=" ".join,
)
def test_what_a_stranger_sent_cannot_steer_the_terminal(tmp_path: Path, command: list[str], as_json: list[str]) -> None:
    hostile(tmp_path)
    done = run(*command, *as_json, "--store", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert not {letter for letter in STEERING if not letter.isprintable()} & set(done.stdout)


def test_a_reader_may_leave_early(tmp_path: Path) -> None:
    hostile(tmp_path, 3000)
    command = [*LEITSTAND, "nodes", "list", "--json", "--store", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    complaints = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0
    assert complaints == b""


def test_a_full_disk_behind_the_output_is_said(tmp_path: Path) -> None:
    hostile(tmp_path)
    with Path("/dev/full").open("wb") as full:
        command = [*LEITSTAND, "--lang", "en", "nodes", "list", "--store", str(tmp_path)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 4
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["alerts ack 1 --reason x --hours", "demo --headless --seconds"])
def test_a_number_that_is_none_is_refused(command: str) -> None:
    done = run(*command.split(), "nan")
    assert done.returncode == 2
    assert "'nan' is not a valid float range" in done.stderr


@pytest.mark.parametrize("gone", ["stdout", "stderr"])
@pytest.mark.parametrize(
    ("command", "code"),
    [("nodes list", 0), ("nodes show nobody", 1), ("gibberish", 2), ("--config nowhere.toml status", 3),
     ("status --store nowhere", 4), ("--version", 0), ("--lang en --version", 0), ("--help", 0),
     ("nodes list --help", 0)],
)  # fmt: skip
def test_whoever_stops_listening_changes_no_exit_code(tmp_path: Path, gone: str, command: str, code: int) -> None:
    hostile(tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    streams: dict[str, int] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, gone: writer}
    here = [] if "--store" in command or "version" in command else ["--store", str(tmp_path)]
    done = subprocess.run([*LEITSTAND, *here, *command.split()], check=False, cwd=tmp_path, **streams)  # type: ignore[call-overload]
    os.close(writer)
    assert done.returncode == code
    assert b"Traceback" not in (done.stderr or b"")
    assert b"rror" not in (done.stderr or b"") or gone == "stdout"


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_closed_stream_is_nobodys_trouble(tmp_path: Path, closed: str) -> None:
    hostile(tmp_path)
    shell = f'exec "$@" {closed}'
    for command, code in ((["nodes", "list"], 0), (["nodes", "show", "nobody"], 1)):
        whole = ["sh", "-c", shell, "sh", *LEITSTAND, *command, "--store", str(tmp_path)]
        done = subprocess.run(whole, capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert "Traceback" not in done.stderr


def test_interrupted_is_silent(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "import console.cli.context as context\n"
        # Whoever starts the tests in the background had the signal ignored; this process must not inherit that.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "context.guarded(lambda: os.kill(os.getpid(), signal.SIGINT) or signal.pause())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (130, "")


def test_the_configured_language_is_spoken_unless_another_is_asked_for(tmp_path: Path) -> None:
    hostile(tmp_path / "store")
    path = tmp_path / "leitstand.toml"
    path.write_text('[store]\ndirectory = "store"\n[ui]\nlang = "de"\n')
    command = [
        sys.executable,
        "-m",
        "console",
        "nodes",
        "list",
        "--config",
        str(path),
        "--store",
        str(tmp_path / "store"),
    ]
    german = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "KNOTEN" in german.stdout
    english = subprocess.run([*command, "--lang", "en"], capture_output=True, text=True, check=True)
    assert "NODE" in english.stdout


@pytest.mark.parametrize(("value", "shown"), [(7, "7"), (7.0, "7"), (0.1, "0,1"), (1234567.25, "1234567,25")])
def test_a_measurement_keeps_its_digits(value: float, shown: str) -> None:
    texts.set_language("de")
    assert texts.exact(value) == shown


@pytest.mark.parametrize(
    ("lang", "shown"), [("de", ["2,4 GHz", "60 GHz", "Kabel", "LoRa"]), ("en", ["2.4 GHz", "60 GHz", "wired", "LoRa"])]
)
def test_a_band_is_named_in_the_reader_s_language(lang: str, shown: list[str]) -> None:
    texts.set_language(lang)
    assert [texts.band(code) for code in ("2.4", "60", "wired", "lora")] == shown


def test_json_names_carry_units(tmp_path: Path) -> None:
    hostile(tmp_path, 1)
    found = objects("nodes", "list", "--store", str(tmp_path))[0]
    assert {"rtt_ms", "loss_pct", "in_bps", "seen_ms", "uptime_s"} < found.keys()
    assert not {"rtt", "rank", "history"} & found.keys()
