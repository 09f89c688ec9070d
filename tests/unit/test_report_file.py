"""Where a rollout's report goes: a file is replaced whole, a pipe is written into."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from console.cli.rollout_report import _write


def test_a_report_replaces_a_file_and_goes_into_a_pipe(tmp_path: Path) -> None:
    file, pipe = tmp_path / "report.html", tmp_path / "pipe"
    file.write_text("old", encoding="utf-8")
    _write(file, "new")
    assert file.read_text(encoding="utf-8") == "new"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        _write(pipe, "through")
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["pipe", "report.html"]
