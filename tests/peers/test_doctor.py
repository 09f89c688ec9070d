"""The doctor's login at a real mosquitto: who may, who may not, and that nothing is left behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from console import doctor
from console.config import BrokerSection, SubscribeSection
from console.secrets import SecretRef
from tests.journeys.processes import until
from tests.peers.mosquitto import Mosquitto, running

TOPIC = [SubscribeSection(topic="a/+")]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A mosquitto that asks for a password."""
    with running(tmp_path, users={"leitstand": "right-password"}) as found:
        yield found


def section(broker: Mosquitto, directory: Path, password: str) -> BrokerSection:
    """The broker as a configuration names it."""
    path = directory / "password"
    path.unlink(missing_ok=True)
    path.write_text(password)
    path.chmod(0o600)
    reference = SecretRef(file="password")
    where = {"host": "127.0.0.1", "port": broker.port, "user": "leitstand", "password": reference}
    return BrokerSection(name="city", subscribe=TOPIC, **where)


def test_the_right_password_is_let_in_and_a_wrong_one_is_a_problem(broker: Mosquitto, tmp_path: Path) -> None:
    assert doctor.broker(section(broker, tmp_path, "right-password"), tmp_path).verdict == "ok"
    refused = doctor.broker(section(broker, tmp_path, "wrong-password"), tmp_path)
    assert refused.verdict == "problem"
    assert "wrong-password" not in repr(refused)


def test_no_session_stays_behind(broker: Mosquitto, tmp_path: Path) -> None:
    doctor.broker(section(broker, tmp_path, "right-password"), tmp_path)
    log = tmp_path / "mosquitto.log"
    until(lambda: re.search(r"Client leitstand-doctor-\w+ .*disconnected", log.read_text()) is not None, "we left")
    broker.stop()
    kept = (tmp_path / "mosquitto.db").read_bytes()
    assert b"leitstand-doctor" not in kept
