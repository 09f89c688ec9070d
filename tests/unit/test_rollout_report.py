"""The report proves what happened, away from the store, and every change to it shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local_store import rollouts
from local_store.db import Store
from mesh_mgmt.rollout_states import diagram
from playbooks.firmware import report
from tests.sim.rollout_fleet import SIGNER, Fleet, decide, go, planned, runner

ROOT = Path(__file__).parents[2]
WORDS = dict.fromkeys((*report.COLUMNS, "title", "summary"), "</script><b>word")


@pytest.fixture
def made(store: Store) -> dict[str, object]:
    fleet = Fleet({"g0": "", "n00": "g0", "n01": "g0", "n02": "g0"})
    row = planned(store, fleet, only={"n00", "n01"})
    decide(store, fleet, "start", row.rollout_id)
    run = runner(store, fleet)
    go(run, fleet, lambda: store.read(lambda cx: rollouts.expect(cx, row.rollout_id)).state == "complete")
    return store.read(lambda cx: report.collect(cx, row.rollout_id, SIGNER, fleet.now_ms))


def as_html(made: dict[str, object]) -> str:
    return report.as_html(made, WORDS, lambda _name, value: str(value), SIGNER)


@pytest.mark.parametrize("form", [as_html, report.as_csv, json.dumps])
def test_a_report_holds_in_every_form(made: dict[str, object], form: Callable[[dict[str, object]], str]) -> None:
    found = report.verify(form(made))
    assert (found.rollout, found.state, found.rows, found.flaw) == ("R-0001", "complete", 2, "")
    assert found.key == report.own_fingerprint(SIGNER)


def test_it_says_who_what_when_with_which_proof(made: dict[str, object]) -> None:
    lines = report.lines(made)
    assert [(one["node"], one["result"], one["version_before"], one["version_after"]) for one in lines] == [
        ("n00", "confirmed", "23.05.3", "23.05.5"), ("n01", "confirmed", "23.05.3", "23.05.5"),
    ]  # fmt: skip
    assert all(one["boot_id_before"] != one["boot_id_after"] for one in lines)
    assert made["unproven"] == {}


def changed(made: dict[str, object], what: str) -> dict[str, object]:
    copy = json.loads(json.dumps(made))
    if what == "changed":
        copy["chain"][0]["body"] = copy["chain"][0]["body"].replace("confirmed", "degraded")
    elif what == "cut_off":
        copy["chain"].pop()
    elif what == "missing":
        copy["chain"].pop(0)
    elif what == "state":
        copy["state"] = "aborted"
    else:
        copy["plan"]["to"] = "1.0"
    return copy


@pytest.mark.parametrize(
    ("what", "flaw"),
    [("changed", "changed"), ("cut_off", "cut_off"), ("missing", "missing"), ("state", "cut_off"),
     ("plan", "plan_changed")],
)  # fmt: skip
def test_a_report_somebody_changed_is_found_out(made: dict[str, object], what: str, flaw: str) -> None:
    assert report.verify(as_html(changed(made, what))).flaw == flaw


@pytest.mark.parametrize(
    ("what", "value"),
    [("approved_by", ["nobody"]), ("operator", "x"), ("on_call", "x"), ("started_ms", 1), ("version", "9"),
     ("unproven", {"n09": "lost"}), ("made_ms", 1)],
)  # fmt: skip
@pytest.mark.parametrize("form", [report.as_csv, json.dumps])
def test_a_head_somebody_changed_is_found_out(
    made: dict[str, object], what: str, value: object, form: Callable[[dict[str, object]], str]
) -> None:
    assert report.verify(form({**made, what: value})).flaw == "head_changed"
    assert report.verify(form({**made, "added": value})).flaw == "head_changed"


def test_a_table_that_tells_something_else_than_the_chain_is_found_out(made: dict[str, object]) -> None:
    text = report.as_csv(made)
    assert report.verify(text.replace("n01,confirmed", "n01,lost")).flaw == "table_changed"


@pytest.mark.parametrize(
    ("shown", "instead"),
    [("<td>confirmed</td>", "<td>lost</td>"),
     ("<td>n01</td>", "<td>n02</td>"), ("</table>", "</table><p>All well</p>"),
     ("<!-- signature", "<p>All well</p><!-- signature"), ("-->\n", "-->\n<p>All well</p>"),
     ("<!doctype", " <!doctype")],
)  # fmt: skip
def test_a_page_that_shows_anything_else_than_was_signed_is_found_out(
    made: dict[str, object], shown: str, instead: str
) -> None:
    page = as_html(made)
    assert shown in page
    assert report.verify(page.replace(shown, instead, 1)).flaw == "page_changed"


def test_a_page_without_its_signature_or_signed_by_another_key_is_found_out(made: dict[str, object]) -> None:
    page = as_html(made)
    assert report.verify(page.partition("<!-- signature")[0]).flaw == "page_changed"
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    foreign = report.as_html(made, WORDS, lambda _name, value: str(value), other)
    assert report.verify(foreign).flaw == "page_changed"


@pytest.mark.parametrize("text", ["", "{}", "[]", "node,result\n", "#chain,%%%", '{"format": "leitstand report 2"}'])
def test_what_is_no_report_is_said_to_be_none(text: str) -> None:
    with pytest.raises(report.NoReport, match="no rollout report"):
        report.verify(text)


def test_a_report_of_another_format_is_told_as_such(made: dict[str, object]) -> None:
    with pytest.raises(report.NoReport, match="it is a leitstand rollout report 1, this Leitstand reads"):
        report.verify(json.dumps({**made, "format": "leitstand rollout report 1"}))
    with pytest.raises(report.NoReport, match="damaged"):
        report.verify(json.dumps({"format": report.FORMAT}))


def test_the_page_shows_the_table_as_it_is() -> None:
    page = (ROOT / "docs" / "rollout.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{diagram()}\n```" in page
