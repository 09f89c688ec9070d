"""The example in each command's help, run as it stands there in the simulated city."""

from __future__ import annotations

import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Final

import click

from console.cli.main import root
from console.demo import city
from tests.journeys.processes import background, objects, quick, run, until
from tests.json_table import promised

RUNS_ON = {"collect", "demo", "simcity"}
"""Commands that do not end by themselves; other journeys start them."""

FINDS: Final = {"status"}
"""Commands whose exit code says how the city is."""

OF_NODES: Final = ("config backup", "nodes ssh-check", "nodes trust")
"""Commands that talk to a node: their JSON is looked at here, that of the others in tests/unit/test_cli_examples.py."""

NEEDS: dict[str, str] = {
    "alerts ack": "alerts of these numbers",
    "config diff": "a version of that number",
    "config exception add": "a rule of that name",
    "config exception end": "an exception of that number",
    "config push": "templates",
    "config revert": "an earlier version",
    "firmware add": "the user's image",
    "firmware appoint": "the users' keys",
    "firmware init": "the users' keys",
    "firmware keys new": "a passphrase, typed",
    "firmware sign": "the user's key",
    "firmware trust": "a root, compared by two people",
    "firmware withdraw": "an image of that name",
    "lease give": "a laptop's request",
    "lease merge": "what a laptop brought back",
    "lease reclaim": "a lease",
    "lease return": "a lease",
    "lease take": "a lease",
    "maintenance end": "a window of that number",
    "nodes import": "the user's file",
    "outbox withdraw": "something that waits",
    "provision abort": "a run that waits",
    "provision protocol": "a run that ended",
    "provision resume": "a run that waits",
    "provision start": "a new node on the service port",
    "provision verify": "a protocol",
    "quarantine dismiss": "quarantined messages",
    "quarantine retry": "quarantined messages",
    "quarantine show": "a quarantined message",
    "rollout abort": "a rollout",
    "rollout approve": "a rollout",
    "rollout pause": "a rollout",
    "rollout report": "a rollout",
    "rollout resume": "a rollout",
    "rollout rollback": "a rollout",
    "rollout start": "a rollout",
    "rollout status": "a rollout",
    "rollout verify": "a report",
    "sensors import": "the user's file",
    "store backup": "the user's directory",
    "store damaged dismiss": "damaged rows",
    "store damaged show": "a damaged row",
    "store restore": "a backup",
    "topology import": "the user's file",
}
"""Examples that name something only their user has: they must end with a sentence about it, and nothing worse.
Over a store that has it they are run in tests/unit/test_cli_examples.py."""


def examples(command: click.Command, name: str = "") -> list[tuple[str, list[str]]]:
    """Every command with the words of its example."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        children = [(one, command.get_command(context, one)) for one in command.list_commands(context)]
        return [found for one, child in children if child for found in examples(child, f"{name} {one}".strip())]
    shown = (command.help or "").partition("leitstand ")[2]
    words = shlex.split(shown)
    end = next((at for at, word in enumerate(words) if word in {"|", ">", "&"}), len(words))
    return [(name, words[:end])]


def wrongs(family: list[tuple[str, list[str]]], config: list[str], base: Path) -> list[tuple[str, int, str]]:
    """What is wrong with the examples of one family, in their order: one may leave a file for the next."""
    found = []
    for name, words in family:
        done = run(*config, *words, cwd=base, stdin=subprocess.DEVNULL, start_new_session=True)
        if "Traceback" in done.stderr or (done.returncode != 0 and name not in FINDS) != (name in NEEDS):
            found.append((name, done.returncode, done.stderr.strip()[-300:]))
    return found


def test_every_example_works_or_says_what_it_needs(tmp_path: Path) -> None:
    """Two families at a time, as two people at one store."""
    mine = [(name, words) for name, words in examples(root) if words[0] not in RUNS_ON]
    families = [list(family) for _, family in groupby(mine, lambda one: one[1][0])]
    with city(quick(tmp_path / "demo", 40), lambda _: None) as demo:
        config = ["--config", str(demo.config_file)]
        with background("collect", *config), ThreadPoolExecutor(2) as pool:
            until(lambda: len(objects("nodes", "list", "ok", *config)) > 30, "the city is polled")
            ends = list(pool.map(lambda family: wrongs(family, config, tmp_path), families))
            printed = {name: objects(*dict(mine)[name], *config) for name in OF_NODES}
    wrong = [one for found in ends for one in found]
    assert not wrong, "\n".join(map(str, wrong))
    assert {name: set(found[0]) for name, found in printed.items()} == {name: promised(name)[0] for name in printed}
