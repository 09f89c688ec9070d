"""The command line: streams, exit codes, both languages, and what is loaded for what."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from console.cli import words
from console.cli.main import COMMANDS, root
from local_store.db import Store
from local_store.keys import store_key
from local_store.nodes import upsert_nodes
from local_store.records import Node, Sensor
from mesh_mgmt.inventory import KINDS, ROLES
from tests.journeys.processes import objects, run

ROOT = Path(__file__).parents[2]


def walk(command: click.Command, name: str = "leitstand") -> list[tuple[str, click.Command]]:
    """Every command with its whole name."""
    found = [(name, command)]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for sub in command.list_commands(context):
            child = command.get_command(context, sub)
            assert child is not None
            found += walk(child, f"{name} {sub}")
    return found


@pytest.mark.parametrize(("name", "command"), walk(root), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_is_documented_and_shows_an_example(name: str, command: click.Command) -> None:
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert isinstance(command, click.Group) or f"`{name}`" in page
    assert command.help
    if not isinstance(command, click.Group):
        assert f"Example:\n  {name}" in command.help


@pytest.mark.parametrize("name", [name for name, _command in walk(root)])
def test_help_speaks_german_and_english_with_one_example(name: str) -> None:
    arguments = [*name.split()[1:], "--help"]
    shown = {}
    for lang in ("de", "en"):
        words.speak(lang)
        shown[lang] = CliRunner().invoke(root, arguments, prog_name="leitstand").output
    for word in (
        "Usage:",
        "Options:",
        "Commands:",
        "Show this",
        "Example:",
        "default:",
        "required",
        "language of words",
    ):
        assert word not in shown["de"]
    assert all(" ..." not in line and not line.endswith("...") for line in shown["de"].splitlines()[1:])
    assert all(" ..." not in line and not line.endswith("...") for line in shown["en"].splitlines()[1:])
    german, english = ([line.strip() for line in text.splitlines()] for text in shown.values())
    assert english[2] != german[2]
    examples = [line for line in english if line.startswith("leitstand ")]
    assert examples == [line for line in german if line.startswith("leitstand ")]


def loaded(*arguments: str) -> set[str]:
    """Modules a command has imported by its end."""
    code = (
        "import sys, runpy, io, contextlib\n"
        f"sys.argv = ['leitstand', *{list(arguments)!r}]\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    runpy.run_module('console', run_name='__main__')\n"
        "print(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_version_needs_nothing_and_only_the_screens_load_textual(tmp_path: Path) -> None:
    assert not loaded("--version") & {"click", "textual", "msgspec", "sqlcipher3"}
    for command in (["--help"], ["nodes", "list", "--store", str(tmp_path)], ["doctor", "--store", str(tmp_path)]):
        assert "textual" not in loaded(*command)


def test_no_command_at_all_loads_textual() -> None:
    code = (
        "import sys, click; from console.cli.main import root\n"
        "for name in root.list_commands(None): root.get_command(None, name)\n"
        "import console.doctor, console.compose, console.collector, console.demo\n"
        "assert 'console.cli.store' in sys.modules and 'console.cli.quarantine' in sys.modules\n"
        "sys.exit('textual' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_global_options_stand_anywhere(tmp_path: Path) -> None:
    filled(tmp_path)
    store = ["--store", str(tmp_path)]
    for arguments in ([*store, "nodes", "list"], ["nodes", *store, "list"], ["nodes", "list", *store]):
        assert "ge-bue-0001" in run(*arguments).stdout


def test_versions_agree() -> None:
    from console.version import VERSION

    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert run("--version").stdout.strip() == f"leitstand {VERSION}"


def filled(directory: Path) -> None:
    """A store with two nodes."""
    store = Store(directory, store_key(directory, "file").raw)
    nodes = [
        Node("ge-bue-0001", "Mast", "10.0.0.1", "mesh", district="Buer"),
        Node("ge-hor-0001", "M", "10.0.0.2", "mesh"),
    ]
    store.ops.write(lambda cx: upsert_nodes(cx, nodes, 1))
    store.close()


def test_data_goes_out_and_words_go_aside(tmp_path: Path) -> None:
    filled(tmp_path)
    done = run("nodes", "list", "district:buer", "--store", str(tmp_path))
    assert done.returncode == 0
    assert "ge-bue-0001" in done.stdout
    assert "ge-hor-0001" not in done.stdout
    assert done.stderr.strip() == "1 node"
    assert [row["node"] for row in objects("nodes", "list", "--store", str(tmp_path))] == ["ge-bue-0001", "ge-hor-0001"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nodes", "list", "distrikt:buer"], 2, "there is no field 'distrikt'"),
        (["nodes", "show", "ge-xxx-0001"], 1, "there is no node ge-xxx-0001"),
        (["nodes", "list", "--store", "/nonexistent-leitstand"], 4, "there is no store"),
        (["--config", "nowhere.toml", "status"], 3, "no such file"),
        (["--config", ".", "status"], 3, ". is a directory: name the file in it, such as --config leitstand.toml"),
        (["simcity", "--directory", "nowhere", "--fault", "down", "x"], 1, "no simulated city runs in nowhere"),
        (["measurements", "ge-bue-0001:rtt_ms", "--since", "yesterday"], 2, "is no time"),
        (["measurements", "ge-bue-0001:rtt_ms"], 1, "there is no series"),
        (["gibberish"], 2, "No such command"),
        (["quarantine", "show", "7"], 1, "holds no message 7"),
        (["quarantine", "show", "9" * 30], 2, "not in the range"),
        (["quarantine", "retry", "7"], 1, "holds no message 7"),
        (["alerts", "ack", "7", "--reason", "x"], 1, "not open: 7"),
        (["alerts", "ack", "7", "--reason", " "], 2, "the reason is empty"),
        (["nodes", "list", "--sort", "colour"], 2, "there is no column 'colour'"),
        (["nodes", "show", "\udcff"], 2, "not valid UTF-8"),
        (["measurements", "a:b", "--since", "0001-01-01"], 2, "is no time"),
        (["measurements", "a:b", "--since", "1h", "--until", "2h"], 2, "--since is not before --until"),
        (["nodes", "list", "--store", "/dev/null/x"], 4, "no store"),
        (["nodes", "import", "leitstand.csv", "--store", "/dev/null/x"], 2, "cannot be read"),
        (["nodes", "import", "nowhere.csv"], 2, "cannot be read"),
        (["firmware", "bundle", ""], 2, "the name of a file is empty"),
        (["firmware", "bundle", "."], 2, "is a directory"),
        (["firmware", "bundle", "/dev/stdin"], 2, "/dev/stdin is no ordinary file"),
        (["firmware", "keys", "new", "a.key", "--name", "a"], 2, "nobody is there to answer"),
    ],
)
def test_a_mistake_is_one_sentence_and_its_exit_code(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    filled(tmp_path)
    given = arguments if "--store" in arguments else ["--store", str(tmp_path), *arguments]
    done = run(*given, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_an_import_is_all_or_nothing_and_names_bad_rows(tmp_path: Path) -> None:
    (tmp_path / "nodes.csv").write_text("node_id,address,role\na,10.0.0.1,mesh\nb,999.1.1.1,mesh\n")
    store = ["--store", str(tmp_path / "store")]
    refused = run("nodes", "import", "nodes.csv", *store, cwd=tmp_path)
    assert refused.returncode == 1
    assert "nodes.csv, line 3: '999.1.1.1' is neither" in refused.stderr
    assert objects("nodes", "list", *store) == []
    taken = run("nodes", "import", "nodes.csv", "--skip-rejected", "--json", *store, cwd=tmp_path)
    assert json.loads(taken.stdout) == {"new": 1, "changed": 0, "unchanged": 0, "rejected": 1, "applied": True}
    assert [row["node"] for row in objects("nodes", "list", *store)] == ["a"]
    exported = run("nodes", "export", "--format", "netjson", *store).stdout
    assert json.loads(exported)["nodes"][0]["id"] == "a"


def test_a_table_from_excel_is_read_and_what_was_guessed_is_said(tmp_path: Path) -> None:
    table = "node_id;address;district\na;10.0.0.1;Schalke-Süd\n"
    store = ["--store", str(tmp_path / "store")]

    def said(raw: bytes) -> tuple[int, str]:
        (tmp_path / "nodes.csv").write_bytes(raw)
        done = run("nodes", "import", "nodes.csv", *store, cwd=tmp_path)
        return done.returncode, done.stderr

    code, words = said(table.encode("cp1252"))
    assert (code, "nodes.csv is not UTF-8: read as Windows-1252" in words) == (0, True)
    assert [row["district"] for row in objects("nodes", "list", *store)] == ["Schalke-Süd"]
    damaged = table.replace("Schalke", "Erle-Mühle").encode() + b"b;10.0.0.2;Gr\xfcn\n"
    for raw in (table.encode("utf-16"), damaged):
        code, words = said(raw)
        assert (code, "choose Save As, 'CSV UTF-8'" in words) == (2, True)


@pytest.mark.parametrize(
    ("command", "said"),
    [("lease list", "0 leases"), ("config exception list", "0 exceptions in force"), ("config check", "no rules")],
)
def test_a_list_without_entries_says_so(tmp_path: Path, command: str, said: str) -> None:
    filled(tmp_path)
    done = run(*command.split(), "--store", str(tmp_path), cwd=tmp_path)
    assert (done.returncode, done.stdout, said in done.stderr) == (0, "", True)


def test_every_column_of_an_import_is_documented() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    table = page.partition("## Columns of imports")[2].partition("## Filters")[0]
    columns = {one.name for kind in (Node, Sensor) for one in fields(kind)} - {"attributes"}
    assert [one for one in sorted({*columns, *ROLES, *KINDS}) if f"`{one}`" not in table] == []


def test_german_is_spoken_on_demand(tmp_path: Path) -> None:
    filled(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "console", "--lang", "de", "nodes", "list", "--store", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "KNOTEN" in done.stdout
    assert "2 Knoten" in done.stderr


def test_the_written_configuration_loads_in_both_languages(tmp_path: Path) -> None:
    for lang in ("de", "en"):
        path = tmp_path / f"{lang}.toml"
        assert run("--lang", lang, "init", "--config", str(path)).returncode == 0
        assert path.stat().st_mode & 0o777 == 0o600
        checks = objects("doctor", "--config", str(path), "--store", str(tmp_path / "none"))
        assert checks[0]["verdict"] == "ok"
    assert run("init", "--config", str(path)).returncode == 1


def test_doctor_flags_weak_rights_and_open_secrets(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("hunter2hunter2")
    (tmp_path / "c").chmod(0o600)
    path = tmp_path / "leitstand.toml"
    path.write_text('[snmp.old]\nversion = "2c"\ncommunity = { file = "c" }\n')
    found = objects("doctor", "--config", str(path), "--store", str(tmp_path / "s"))
    assert [one["verdict"] for one in found if one["subject"] == "old"] == ["warning"]
    (tmp_path / "c").chmod(0o644)
    done = run("doctor", "--config", str(path), "--store", str(tmp_path / "s"))
    assert done.returncode == 1
    assert "chmod 600" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_the_shell_completes_commands_columns_and_ids(tmp_path: Path) -> None:
    filled(tmp_path)

    def offered(*typed: str) -> list[str]:
        line = " ".join(["leitstand", "--store", str(tmp_path), *typed])
        asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_LEITSTAND_COMPLETE": "bash_complete"}
        command, env = [sys.executable, "-m", "console"], {**os.environ, **asked}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=env)
        assert done.stderr == ""
        return [one.split(",")[1] for one in done.stdout.split()]

    assert offered("qu") == ["quarantine"]
    assert offered("nodes", "li") == ["list"]
    assert offered("nodes", "list", "--sort", "bez") == ["bezirk"]
    assert offered("nodes", "show", "ge-b") == ["ge-bue-0001"]
    shutil.rmtree(tmp_path)
    assert offered("nodes", "show", "ge-b") == []


def test_completion_is_offered_for_three_shells() -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_LEITSTAND_COMPLETE" in run("completion", shell).stdout


def test_all_commands_are_listed_in_the_help() -> None:
    text = run("--help").stdout
    assert all(re.search(rf"^  {name}\b", text, re.MULTILINE) for name in COMMANDS)
