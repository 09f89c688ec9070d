"""The file a lease is given out in: whole with its lease, or not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local_store.errors import StoreRefused
from playbooks.firmware import lease_files
from playbooks.firmware.lease_files import FORMAT, Lease

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
GIVEN = Lease(FORMAT, "L-0001", "R-0001", "eva", "00", lease_files.public_hex(KEY), 1, 2, "{}", (), (), {})


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "catalogue.tar"
    path.write_bytes(b"images" * 100_000)
    return path


def test_a_bundle_is_there_once_its_lease_is_in_it(tmp_path: Path, catalogue: Path) -> None:
    out = tmp_path / "a.lease"
    with lease_files.bundle(out, b"root", catalogue) as finish:
        assert not out.exists(), "nobody may take what holds no lease yet"
        finish(KEY, GIVEN)
    assert out.stat().st_mode & 0o777 == 0o600
    read = lease_files.read_lease(out, lease_files.public_hex(KEY))
    assert (read.lease.lease_id, read.anchor, read.catalogue) == ("L-0001", b"root", catalogue.read_bytes())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.lease", "catalogue.tar"]


def test_nothing_is_left_of_nodes_that_could_not_be_given(tmp_path: Path, catalogue: Path) -> None:
    with pytest.raises(StoreRefused), lease_files.bundle(tmp_path / "a.lease", b"root", catalogue):
        raise StoreRefused("only a node that still waits can be given out")
    assert [path.name for path in tmp_path.iterdir()] == ["catalogue.tar"]
