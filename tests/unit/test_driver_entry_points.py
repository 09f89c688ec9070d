"""A driver that another distribution brings is found by its entry point, loaded when it is needed, and opens a node."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from device_drivers.errors import Unsupported
from device_drivers.registry import driver_for
from device_drivers.ssh import SshTarget
from device_drivers.ssh_pool import ShellPool

MODULE = """
import contextlib

@contextlib.contextmanager
def opened(target, shells, log):
    log("show version")
    yield f"acme at {target.host}"
"""


def test_a_driver_of_another_distribution_is_found_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unsupported, match="no SSH driver for 'Acme'"):
        driver_for("n1", "Acme")
    (tmp_path / "acme_radios.py").write_text(MODULE)
    info = tmp_path / "acme_radios-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-radios\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[leitstand.drivers]\nacme = acme_radios:opened\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    driver = driver_for("n1", " Acme ", "Any")
    sent: list[str] = []
    with driver(SshTarget("n1", "10.0.0.1", tmp_path / "known"), ShellPool(), sent.append) as node:
        assert str(node) == "acme at 10.0.0.1"
    assert sent == ["show version"]
    sys.modules.pop("acme_radios")
    with pytest.raises(Unsupported):
        driver_for("n1", "Another")
