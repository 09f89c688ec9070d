"""Three ways to look at one configuration: what is intended, what was last applied, what runs. Pure.

| running is | and last applied | verdict |
|---|---|---|
| as intended | whatever | in_sync |
| not as intended | was not applied by us | pending |
| not as intended | is what runs | pending: the intention changed |
| not as intended | was as intended | drifted: somebody changed the node |
| not as intended | was something else again | conflict: both changed |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mesh_mgmt.config_mask import is_secret, shown
from mesh_mgmt.uci_change import Key, means_same
from mesh_mgmt.uci_text import Value

Verdict = Literal["in_sync", "pending", "drifted", "conflict"]
RANK: Final[Mapping[Verdict, int]] = {"in_sync": 0, "pending": 1, "drifted": 2, "conflict": 3}


@dataclass(frozen=True, slots=True)
class OptionDrift:
    """One option that is not as intended; None stands for absent."""

    key: Key
    verdict: Verdict
    intended: Value | None
    applied: Value | None
    running: Value | None

    def masked(self) -> dict[str, str | bool]:
        """The same for people: secrets only say that they differ."""
        return {
            "option": str(self.key),
            "verdict": self.verdict,
            "secret": is_secret(self.key),
            "intended": shown(self.key, self.intended),
            "applied": shown(self.key, self.applied, self.intended),
            "running": shown(self.key, self.running, self.intended),
        }


@dataclass(frozen=True, slots=True)
class Drift:
    """The verdict on a node, the worst of its options', and every option that is not as intended."""

    verdict: Verdict
    options: tuple[OptionDrift, ...]


def judge(
    intended: Mapping[Key, Value | None], applied: Mapping[Key, Value] | None, running: Mapping[Key, Value]
) -> Drift:
    """Compare option by option; `applied` is the whole configuration after our last push, None before the first.

    Only what templates speak of is judged: everything else on a node is its own.
    """
    found = []
    for key, wanted in intended.items():
        runs = _present(running.get(key))
        want = _present(wanted)
        if means_same(want, runs):
            continue
        was = None if applied is None else _present(applied.get(key))
        found.append(OptionDrift(key, _verdict(want, was, runs, applied is None), want, was, runs))
    worst: Verdict = max((one.verdict for one in found), key=RANK.__getitem__, default="in_sync")
    return Drift(worst, tuple(found))


def _verdict(want: Value | None, was: Value | None, runs: Value | None, never: bool) -> Verdict:
    if never or means_same(was, runs):
        return "pending"
    return "drifted" if means_same(was, want) else "conflict"


def _present(value: Value | None) -> Value | None:
    """uci keeps no empty option: an empty value is none."""
    return None if value in ("", ()) else value
