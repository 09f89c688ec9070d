"""The commands of docs/firmware.md, as two people type them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from console.cli.main import root
from tests.json_table import promised

PAGE = Path(__file__).parents[2] / "docs" / "firmware.md"


def shown() -> list[list[str]]:
    """The command lines of the page's blocks, in order."""
    blocks = re.findall(r"```\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines]


def type_in(arguments: list[str], typed: str = "", *, store: Path) -> Result:
    return CliRunner().invoke(root, ["--store", str(store), *arguments], input=typed, prog_name="leitstand")


def test_the_page_works_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "store"
    Path("mesh.bin").write_bytes(b"image" * 1000)
    for command in shown():
        typed = {"keys": "secret words\nsecret words\n", "sign": "secret words\n", "trust": "y\n"}.get(command[1], "")
        if command[1] == "add":
            assert "no image is listed yet" in type_in(["firmware", "list", "--lang", "en"], store=store).stderr
        if command[1] == "trust":
            command[2] = command[2].replace("~/.local/share/leitstand", str(store))
        done = type_in(command, typed, store=store)
        assert done.exit_code == 0, (command, done.output, done.exception)
        assert "secret words" not in done.output
    listed = type_in(["firmware", "list", "--json"], store=store)
    (found,) = [json.loads(line) for line in listed.stdout.splitlines()]
    assert (found["version"], found["board"], found["signed_by"]) == ("24.10.2", "acme,mesh-5", ["anna", "bert"])
    slip = type_in(["rollout", "plan", "--to", "24.10.20", "--lang", "en"], store=store)
    assert (slip.exit_code, "has no such version; it has 24.10.2" in slip.output) == (2, True)
    for command in (["list"], ["verify"], ["keys", "show"]):
        done = type_in(["firmware", *command, "--json"], store=store)
        assert done.exit_code == 0
        (keys,) = promised(" ".join(["firmware", *command]))
        assert set(json.loads(done.stdout.splitlines()[0])) == keys, command
    assert type_in(["firmware", "bundle", "firmware.tar"], store=store).exit_code == 0
    laptop = tmp_path / "laptop"
    anchor = store / "firmware" / "catalogue" / "metadata" / "1.root.json"
    assert type_in(["firmware", "trust", str(anchor)], "y\n", store=laptop).exit_code == 0
    assert type_in(["firmware", "import", "firmware.tar"], store=laptop).exit_code == 0


def test_a_wrong_fingerprint_trusts_nothing(tmp_path: Path) -> None:
    (tmp_path / "root.json").write_text("{}")
    done = type_in(["firmware", "trust", str(tmp_path / "root.json"), "--fingerprint", "00"], store=tmp_path)
    assert "nothing is trusted" in done.stderr
    assert not (tmp_path / "firmware" / "root.json").exists()
