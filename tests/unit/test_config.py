"""The configuration: what is wrong is said with file, line and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.config import load
from console.errors import ConfigError, SecretError
from console.secrets import SecretRef, resolve

GOOD = """
[store]
directory = "data"

[engine]
poll_interval_s = 30

[snmp.old]
version = "2c"
community = { file = "community" }

[[broker]]
name = "chirpstack"
host = "localhost"

[[broker.subscribe]]
topic = "application/+/device/+/event/+"

[[broker]]
name = "weather"
host = "localhost"
port = 1884

[[broker.subscribe]]
topic = "wetter/+/messung"
kind = "wetter"

[mapping.wetter]
device = "station"
values = { air_temp_c = "werte.air_temperature" }

[thresholds.rtt]
upper = 300
lower = 200
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "leitstand.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_file_loads(tmp_path: Path) -> None:
    config = load(write(tmp_path, GOOD))
    assert [broker.name for broker in config.broker] == ["chirpstack", "weather"]
    assert config.engine.poll_interval_s == 30
    assert config.store.directory == str(tmp_path / "data")
    assert config.mapping["wetter"].device == "station"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "poll_interval_s = 30",
            "pol_interval_s = 30",
            r"line 6: unknown key `pol_interval_s` in \[engine\]; did you mean `poll_",
        ),
        ("port = 1884", 'port = "1884"', r"line 22: broker\.1\.port: Expected `int`, got `str`"),
        ('host = "localhost"\nport', 'hots = "localhost"\nport', r"line 21: unknown key `hots`.*did you mean `host`"),
        ("[store]", "[stroe]", r"unknown key `stroe`; did you mean `store`"),
        ('version = "2c"', 'version = "4"', r"line 9: snmp\.\*\.version|line 9"),
        ('kind = "wetter"', 'kind = "klima"', r"kind 'klima' of 'wetter/\+/messung' needs a section \[mapping.klima\]"),
        ('name = "weather"', 'name = "chirpstack"', "stands twice"),
        ('community = { file = "community" }', "", "needs `community"),
        ("lower = 200", "lower = 400", "`lower` above `upper`"),
        ('community = { file = "community" }', 'community = "public"', "line 10"),
        ('device = "station"', 'device = "station"\ncounter = "seq"', r"line 28: mapping"),
        ("[store]", "[store", "not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    path = write(tmp_path, GOOD.replace(old, new, 1) if "1884" not in new else GOOD.replace(old, new))
    with pytest.raises(ConfigError, match=expected) as refused:
        load(path)
    assert str(path) in str(refused.value)


def test_a_secret_file_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "community"
    path.write_text("hunter2\n")
    path.chmod(0o644)
    with pytest.raises(SecretError, match="chmod 600") as refused:
        resolve(SecretRef(file="community"), "snmp.old community", tmp_path)
    assert "hunter2" not in str(refused.value)
    path.chmod(0o600)
    assert resolve(SecretRef(file="community"), "snmp.old community", tmp_path) == "hunter2"


def test_a_missing_secret_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEITSTAND_TEST_SECRET", raising=False)
    with pytest.raises(SecretError, match="LEITSTAND_TEST_SECRET is not set"):
        resolve(SecretRef(env="LEITSTAND_TEST_SECRET"), "broker password", tmp_path)
    with pytest.raises(SecretError, match="cannot be read"):
        resolve(SecretRef(file="none"), "broker password", tmp_path)
