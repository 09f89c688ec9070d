"""What the engine answers to decisions about rollouts is told in German to who reads German."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from console import rollout_words, texts
from console.outcome_words import outcome
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.field_leases import LeaseRow
from mesh_mgmt import gates
from mesh_mgmt.rollout_states import State
from playbooks.firmware.decisions import with_a_laptop
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
def test_what_a_laptop_holds_is_told_in_german() -> None:
    lease = LeaseRow("L-0001", "given", "R-0001", "tina mit leiter", "", "", 0, 1)
    assert outcome(with_a_laptop("n05", lease)).startswith("n05 ist mit tina mit leiter für R-0001 im Feld")


@pytest.mark.usefixtures("german")
def test_another_sentence_stays_as_it_is() -> None:
    for text in ("", "3", "the request is incomplete: KeyError('x')", "everything runs fine", "a b goes on"):
        assert outcome(text) == text


@pytest.mark.usefixtures("german")
def test_why_a_rollout_halts_is_told_in_german_numbers() -> None:
    checks = [
        *gates.budget([gates.Member("n", 1, "ap5", "", State.LOST)] * 6, 1, 2.0),
        gates.alarms(1, 3),
        gates.image("expired"),
    ]
    told = json.dumps({check.what: f"{check.seen}, {check.wanted}" for check in checks})
    assert rollout_words.pause_detail(told) == (
        "Fehler in dieser Welle: 6 von 6 (100,0 %), erlaubt sind 0; "
        "Fehler dieses Modells ap5: 6 von 6 (100,0 %), erlaubt sind 0; "
        "kritische Alarme um die Welle: 3, erlaubt sind 1; Abbild: Signaturen sind abgelaufen"
    )
