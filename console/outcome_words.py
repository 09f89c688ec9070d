"""What came of a request, in the reader's language: the engine wrote it down in English. Pure."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from console import rollout_words
from console.texts import N_, _

SENTENCES: Final = (
    N_("{rollout} runs"),
    N_("{rollout} goes on"),
    N_("{rollout} approved"),
    N_("{rollout} was paused already"),
    N_("{rollout} paused: what restarts already is followed to its end"),
    N_("{rollout} aborted: what restarts already is followed to its end"),
    N_("{rollout} is {state} already"),
    N_("{rollout} is {state}: only a planned rollout can be approved"),
    N_("{rollout} is {state}: only a planned rollout can be started"),
    N_("{rollout} is {state}: only a running rollout can be paused"),
    N_("{rollout} is {state}: only a paused rollout can go on"),
    N_("{rollout} is {state}: let it end or abort it first, one runs at a time"),
    N_("{rollout} was planned by {actor}: a second person has to approve it"),
    N_("{rollout} needs a second person ({needs}): `{command}` by somebody else than {actor}"),
    N_("{rollout} restarts {n} nodes that others hang on: name who can be sent out, `{command}`"),
    N_("{rollout} halted over its error budget, going on affects {n} nodes: "
       "confirm with exactly that number (`{command}`)"),
    N_("{rollout} halted since no canary was proven, going on affects {n} nodes: "
       "confirm with exactly that number (`{command}`)"),
    N_("{node} is in the field with {actor} for {rollout}: `leitstand lease merge` what comes back, "
       "or `{command}` after its end"),
    N_("{node} is still restarting for {rollout}: wait until its outcome is known"),
)  # fmt: skip
"""What `playbooks/firmware/decisions.py` and its like write; another sentence stays as it is."""


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [(one, re.compile(re.sub(r"\\{(\w+)\\}", _group, re.escape(one)))) for one in SENTENCES]


def _group(found: re.Match[str]) -> str:
    return f"(?P<{found[1]}>{'.+' if found[1] in {'actor', 'command', 'needs'} else '[^ ]+'})"


def outcome(text: str) -> str:
    """The sentence in the reader's language, where it is a known one."""
    for sentence, pattern in _patterns():
        found = pattern.fullmatch(text)
        if found:
            words = found.groupdict()
            if "state" in words:
                words["state"] = rollout_words.rollout_state(words["state"])
            if "needs" in words:
                words["needs"] = ", ".join(map(rollout_words.needs, words["needs"].split(", ")))
            return _(sentence).format(**words)
    return text
