"""The file of confirmed host keys: several at once change it, somebody damages it, nobody is trusted by that."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from device_drivers import known_hosts
from device_drivers.errors import Refused
from device_drivers.known_hosts import HostKey
from tests.conftest import missing_peer

CHANGES = """
import sys
from pathlib import Path
from device_drivers.known_hosts import HostKey, confirm, forget
path, key = Path(sys.argv[1]), HostKey("ssh-ed25519", sys.argv[2])
for at in range(30):
    confirm(path, f"b{at}", 22, key)
    confirm(path, "gone", 22, key)
    forget(path, "gone", 22)
"""


def key(number: int) -> HostKey:
    body = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00 " + bytes([number]) * 32
    return HostKey("ssh-ed25519", base64.b64encode(body).decode())


def test_what_one_confirms_while_another_forgets_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    other = subprocess.Popen([sys.executable, "-c", CHANGES, str(path), key(2).body])

    def change(name: str) -> None:
        for at in range(30):
            known_hosts.confirm(path, f"{name}{at}", 22, key(1))
            known_hosts.forget(path, f"gone{name}", 22)
            known_hosts.confirm(path, f"gone{name}", 22, key(1))

    threads = [threading.Thread(target=change, args=(name,)) for name in "cd"]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert other.wait() == 0
    for at in range(30):
        assert known_hosts.confirmed(path, f"b{at}", 22) == [key(2)]
        assert known_hosts.confirmed(path, f"c{at}", 22) == [key(1)]
        assert known_hosts.confirmed(path, f"d{at}", 22) == [key(1)]


@pytest.mark.parametrize("line", ["10.0.0.9 ssh-ed25519 AAAAC3N", "\ufffd\x00", "10.0.0.9 ssh-rsa", "10.0.0.9 x y"])
def test_a_damaged_line_trusts_nobody_and_spoils_no_other(tmp_path: Path, line: str) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"10.0.0.1 ssh-ed25519 {key(1).body}\n{line}\n10.0.0.2 ssh-ed25519 {key(2).body}\n")
    assert known_hosts.confirmed(path, "10.0.0.1", 22) == [key(1)]
    assert known_hosts.confirmed(path, "10.0.0.2", 22) == [key(2)]
    assert known_hosts.confirmed(path, "10.0.0.9", 22) == []


def test_bytes_that_are_no_text_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_bytes(b"# \xff\n")
    known_hosts.confirm(path, "10.0.0.1", 22, key(1))
    assert path.read_bytes() == b"# \xff\n10.0.0.1 ssh-ed25519 " + key(1).body.encode() + b"\n"


def test_a_key_follows_a_last_line_that_has_no_end(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"10.0.0.1 ssh-ed25519 {key(1).body}")
    known_hosts.confirm(path, "10.0.0.2", 2222, key(2))
    assert known_hosts.confirmed(path, "10.0.0.1", 22) == [key(1)]
    assert known_hosts.confirmed(path, "10.0.0.2", 2222) == [key(2)]


def test_the_only_key_takes_the_place_of_every_other_at_once(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    for number in (1, 2):
        known_hosts.confirm(path, "10.0.0.1", 22, key(number))
    known_hosts.confirm(path, "10.0.0.2", 22, key(2))
    known_hosts.confirm(path, "10.0.0.1", 22, key(3), only=True)
    assert known_hosts.confirmed(path, "10.0.0.1", 22) == [key(3)]
    assert known_hosts.confirmed(path, "10.0.0.2", 22) == [key(2)]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_used_refuses_the_node(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").mkdir()
    with pytest.raises(Refused, match="cannot be read"):
        known_hosts.confirmed(tmp_path / "known_hosts", "10.0.0.1", 22)
    with pytest.raises(Refused, match="cannot be written"):
        known_hosts.confirm(tmp_path / "nowhere" / "known_hosts", "10.0.0.1", 22, key(1))


def test_hashed_names_are_found_and_damaged_ones_trust_nobody(tmp_path: Path) -> None:
    """What OpenSSH itself writes with HashKnownHosts."""
    if shutil.which("ssh-keygen") is None:
        missing_peer("ssh-keygen")
    path = tmp_path / "known_hosts"
    known_hosts.confirm(path, "192.0.2.1", 22, key(1))
    known_hosts.confirm(path, "192.0.2.2", 2222, key(2))
    subprocess.run(["ssh-keygen", "-H", "-f", str(path)], check=True, capture_output=True)
    assert "192.0.2" not in path.read_text()
    damaged = ["|1|", "|1|?|?", "|1|AAAA", "|1||", "|1|AAAA|AAAA"]
    path.write_text("".join(f"{one} {key(3).algorithm} {key(3).body}\n" for one in damaged) + path.read_text())
    assert known_hosts.confirmed(path, "192.0.2.1", 22) == [key(1)]
    assert known_hosts.confirmed(path, "192.0.2.2", 2222) == [key(2)]
    assert known_hosts.confirmed(path, "192.0.2.2", 22) == []
    assert known_hosts.forget(path, "192.0.2.1", 22) == 1
    assert known_hosts.confirmed(path, "192.0.2.1", 22) == []
    assert known_hosts.confirmed(path, "192.0.2.2", 2222) == [key(2)]


def test_of_several_keys_of_one_kind_each_counts(tmp_path: Path) -> None:
    """As with OpenSSH: two nodes that stand in for each other at one address, or a key that is being replaced."""
    path = tmp_path / "known_hosts"
    path.write_text("".join(f"b,192.0.2.1 {key(at).algorithm} {key(at).body}\n" for at in (1, 2, 1)))
    assert known_hosts.confirmed(path, "192.0.2.1", 22) == [key(1), key(2)]
    for at in (1, 2):
        known_hosts.check("n", path, "192.0.2.1", 22, key(at))
    with pytest.raises(known_hosts.HostKeyChanged):
        known_hosts.check("n", path, "192.0.2.1", 22, key(3))


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        ("*", True), ("10.0.0.1", True), ("10.0.0.*,!10.0.0.1", False), ("10.0.0.?", True), ("10.0.0.2", False),
        ("[10.0.0.1]:2222", False),
    ],
)  # fmt: skip
def test_a_revoked_key_is_refused_although_another_line_confirms_it(tmp_path: Path, names: str, refused: bool) -> None:
    path = tmp_path / "known_hosts"
    known_hosts.confirm(path, "10.0.0.1", 22, key(1))
    path.write_text(f"@revoked\t{names} {key(1).algorithm} {key(1).body}\n{path.read_text()}")
    if refused:
        with pytest.raises(known_hosts.HostKeyRevoked, match="named by a @revoked line of"):
            known_hosts.check("n", path, "10.0.0.1", 22, key(1))
    else:
        known_hosts.check("n", path, "10.0.0.1", 22, key(1))
    known_hosts.confirm(path, "10.0.0.1", 22, key(2), only=True)
    known_hosts.check("n", path, "10.0.0.1", 22, key(2))
    assert path.read_text().startswith("@revoked"), "no replacement takes a revocation away"


def test_the_key_of_an_authority_is_no_hosts_key(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"@cert-authority 10.0.0.1 {key(1).algorithm} {key(1).body}\n@revoked\n")
    with pytest.raises(known_hosts.HostKeyUnknown):
        known_hosts.check("n", path, "10.0.0.1", 22, key(1))


def test_a_line_with_tabs_is_forgotten_like_the_others(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"10.0.0.1\t{key(1).algorithm}\t{key(1).body}\n")
    assert known_hosts.confirmed(path, "10.0.0.1", 22) == [key(1)]
    assert known_hosts.forget(path, "10.0.0.1", 22) == 1
