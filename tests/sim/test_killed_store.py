"""kill -9 at any moment, again and again: what was acknowledged is there, in order and signed, and it goes on."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from local_store import keys, lease, tally, upkeep
from local_store.db import Store

KILLS = 10


def run_until_killed(directory: Path, first: int, count: int) -> int:
    """Start the process, kill it after it told of so many commits; the last one it told of."""
    command = [sys.executable, "-m", "tests.sim.killed_store", str(directory), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(count)]
        process.kill()
        # The last line may be cut short; whole ones were committed.
        return max(told + [int(line) for line in process.stdout if line.endswith("\n")])


def test_a_killed_store_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    rng = random.Random(1)
    kept = 0
    for round_number in range(1, KILLS + 1):
        told = run_until_killed(tmp_path, kept + 1, rng.randrange(1, 120))
        store = Store(tmp_path, keys.store_key(tmp_path, create=False).raw)
        seqs = store.read(lambda cx: [row[0] for row in cx.execute("SELECT seq FROM op ORDER BY seq")])
        counted = store.read(tally.read)["measurements"]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) >= told
        # Each kill may have hit between an operation and the measurement that follows it.
        assert len(seqs) - round_number <= counted <= len(seqs)
        assert upkeep.verify(store, keys.signing_key(tmp_path, "file").public_key()).findings == ()
        stamps = store.read(lambda cx: [row[0] for row in cx.execute("SELECT hlc FROM op ORDER BY seq")])
        assert stamps == sorted(set(stamps))
        row = store.read(lease.read)
        assert row is not None
        assert row.epoch == round_number
        kept = len(seqs)
        store.close()
    assert kept > KILLS
