"""The examples of --help as they stand there, over a store with one of everything; and the JSON of each, key by key."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from console.cli import words
from console.cli.main import root
from local_store.db import Store
from local_store.keys import store_key
from tests import whole_store
from tests.journeys.test_examples import examples
from tests.json_table import promised, told

ELSEWHERE: Final = {
    "collect": "runs on",
    "demo": "runs on",
    "simcity": "needs a city",
    "config backup": "needs a node",
    "discover": "needs a network",
    "lease reclaim": "needs a lease that ended: below",
    "nodes ssh-check": "needs a node",
    "nodes trust": "needs a node",
    "provision start": "needs a node",
}
FINDS: Final = {"config check", "config diff", "config drift", "config push", "config revert", "doctor", "status",
                "store verify"}  # fmt: skip
"""Commands whose exit code says what they found."""
BEFORE: Final[Mapping[str, Sequence[str]]] = {
    "firmware import": ["firmware bundle"],
    "firmware sign": ["firmware add"],
    "lease give": ["lease request"],
    "lease list": ["lease give"],
    "lease merge": ["lease return"],
    "lease return": ["lease take"],
    "lease take": ["lease give"],
    "provision verify": ["provision protocol"],
    "rollout verify": ["rollout report"],
    "store restore": ["store backup"],
}
"""What the user of an example has done before."""
LAPTOP: Final = ["--store", "laptop"]
MORE: Final[Mapping[str, Sequence[str]]] = {
    "config push": ["--dry-run"],  # nobody is there to agree
    "config revert": ["--dry-run"],
    "firmware init": ["--store", "another"],
    "firmware keys new": ["--store", "another"],
    "lease request": LAPTOP,
    "lease return": LAPTOP,
    "lease take": LAPTOP,
}
TYPED: Final = {
    "firmware keys new": "secret words\nsecret words\n",
    "firmware trust": "y\n",
    "lease give": "y\n",
    "lease take": "y\n",
}
ITS_OWN: Final = {"init", "firmware keys new"}
"""Examples whose user begins in an empty directory."""
EXAMPLES: Final = dict(examples(root))
STICK: Final = "/media/stick/"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("whole")
    whole_store.fill(directory)
    return directory


@pytest.fixture
def place(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the working directory."""
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    (copy / "stick").mkdir()
    monkeypatch.chdir(copy)
    monkeypatch.setenv("LEITSTAND_LANG", "en")
    return copy


def call(name: str, *more: str) -> tuple[int, str, str]:
    """One example with all its user does before."""
    for before in BEFORE.get(name, ()):
        assert call(before)[0] == 0
    typed = [word.replace(STICK, "stick/") for word in EXAMPLES[name] if word not in more]
    done = CliRunner().invoke(root, [*typed, *MORE.get(name, ()), *more], TYPED.get(name, ""), standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return int(done.return_value or 0), done.stdout, done.stderr


def run_example(name: str, *more: str) -> str:
    """What it printed."""
    if name in ITS_OWN:
        Path("empty").mkdir()
        os.chdir("empty")
    code, out, err = call(name, *more)
    assert code == 0 or name in FINDS, err
    assert out or err
    return out


HERE: Final = [name for name in EXAMPLES if name not in ELSEWHERE]


@pytest.mark.parametrize("name", HERE)
@pytest.mark.usefixtures("place")
def test_an_example_works_as_it_stands(name: str) -> None:
    run_example(name)


@pytest.mark.parametrize("name", [name for name in HERE if not told(name).startswith("no `--json`")])
@pytest.mark.usefixtures("place")
def test_its_json_has_the_documented_keys(name: str) -> None:
    found = [json.loads(line) for line in run_example(name, "--json").splitlines()]
    assert found
    kinds = promised(name)
    assert [one for one in found if set(one) not in kinds] == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lease take", "Fingerabdruck der Konsole: "),
        ("lease merge", "a       wartet"),
        ("config revert", "nichts zu ändern"),
    ],
)
@pytest.mark.usefixtures("place")
def test_german_is_spoken_in_what_the_codes_of_others_say(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setitem(EXAMPLES, "config revert", ["config", "revert", "ge-bue-0002", "--to", "25"])
    words.speak("de")
    _code, out, err = call(name)
    assert said in out + err


def test_an_ended_lease_is_taken_back(place: Path) -> None:
    call("lease give")
    store = Store(place / "store", store_key(place / "store", "file").raw)
    store.ops.write(lambda cx: cx.execute("UPDATE field_lease SET until_ms = 1"))
    store.close()
    with (place / "leitstand.toml").open("a") as config:
        config.write("[ssh.default]\nport = 1\nagent = true\n")
    code, out, err = call("lease reclaim", "--json")
    (found,) = [json.loads(line) for line in out.splitlines()]
    assert (code, set(found)) == (0, promised("lease reclaim")[0]), err
    assert found["found"]["a"].startswith("unreachable: ")
