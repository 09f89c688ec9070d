"""The harness of the benchmarks: what breaks or hangs is a row, and results are whole or the old ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.__main__ import Row, measure, merged, ran_to_its_end, render, replace
from benchmarks.missing import why_missing

GOOD = '{"claim": "c", "value": 1, "unit": "s", "target": "< 2", "peer": "none", "ratio": null, "holds": true}'


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def row(claim: str, value: float = 1.0) -> Row:
    return {**json.loads(GOOD), "claim": claim, "value": value}


def test_a_good_file_gives_its_claims_alone() -> None:
    claims, whole = measure("good", script(f"print('note'); print('''{GOOD}''')"), 30)
    assert (claims, whole) == ([json.loads(GOOD)], True)


def test_a_file_that_breaks_keeps_its_claims_and_says_so_in_a_row() -> None:
    claims, whole = measure("bad", script(f"print('''{GOOD}'''); raise SystemExit(3)"), 30)
    assert not whole
    assert [claim["claim"] for claim in claims] == ["c", ran_to_its_end("bad")]
    assert (claims[1]["peer"], claims[1]["holds"]) == ("exit 3", False)
    assert "| **no** |" in render(claims)


def test_a_file_that_hangs_is_stopped_with_its_children_and_its_half_line_is_no_claim() -> None:
    hang = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"print('''{GOOD}''', flush=True)\n"
        "print('{\"claim\"', end='', flush=True)\n"
        "child.wait()\n"
    )
    claims, whole = measure("slow", script(hang), 3)  # the child holds our pipe: it must go, or this never ends
    assert not whole
    assert [claim["peer"] for claim in claims] == ["none", "stopped after 3 s"]


def test_only_what_was_measured_again_is_replaced() -> None:
    earlier = [row("a"), row("b"), row(ran_to_its_end("one"))]
    assert merged(earlier, [row("b", 2), row("new")], ["one"]) == [row("a"), row("b", 2), row("new")]
    again = [row(ran_to_its_end("one"), 3)]
    assert merged(earlier, again, ["one"]) == [row("a"), row("b"), *again]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for text in ("old", "new"):
        replace(path, text)
        assert path.read_text() == text
    assert [one.name for one in tmp_path.iterdir()] == ["results.json"]


def test_a_missing_peer_is_named_with_the_reason() -> None:
    assert why_missing("thing", "no-such-package-here").startswith("thing is not installed: ")
