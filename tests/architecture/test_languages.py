"""Both languages are complete and compiled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_text_has_its_german_and_the_catalogues_are_fresh() -> None:
    found = subprocess.run(
        [sys.executable, "scripts/messages.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.stdout == ""
    assert found.returncode == 0
