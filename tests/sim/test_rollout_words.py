"""What the engine answers to decisions about rollouts is told in German to who reads German."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from console import texts
from console.outcome_words import outcome
from local_store.db import Store
from local_store.errors import StoreRefused
from tests.conftest import KEY
from tests.sim.rollout_fleet import Fleet, decide, planned, tree

STEPS = [
    ("pause", "bert", "nur ein laufender Rollout"),
    ("resume", "bert", "nur ein angehaltener Rollout"),
    ("approve", "anna", "R-0001 hat anna geplant"),
    ("start", "bert", "R-0001 läuft"),
    ("start", "bert", "R-0001: läuft; nur ein geplanter"),
    ("approve", "bert", "R-0001: läuft; nur ein geplanter"),
    ("pause", "bert", "R-0001 angehalten: was schon"),
    ("pause", "bert", "schon angehalten"),
    ("resume", "bert", "R-0001 geht weiter"),
    ("abort", "bert", "R-0001 abgebrochen"),
    ("abort", "bert", "R-0001 ist schon abgebrochen"),
]


@pytest.fixture
def german() -> Iterator[None]:
    texts.set_language("de")
    yield
    texts.set_language("en")


@pytest.mark.usefixtures("german")
def test_every_answer_to_a_decision_is_german(tmp_path: Path) -> None:
    fleet = Fleet(tree(6))
    with contextlib.closing(Store(tmp_path, KEY)) as store:
        planned(store, fleet)
        for what, who, words in STEPS:
            try:
                said = decide(store, fleet, what, "R-0001", who)
            except StoreRefused as error:
                said = str(error)
            assert words in outcome(said), (what, said)


@pytest.mark.usefixtures("german")
def test_another_sentence_stays_as_it_is() -> None:
    for text in ("", "3", "the request is incomplete: KeyError('x')", "everything runs fine", "a b goes on"):
        assert outcome(text) == text
