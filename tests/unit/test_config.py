"""The configuration: what is wrong is said with file, line and a way out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from console import config as kinds
from console import texts
from console.config import Theme, load
from console.config_template import template
from console.errors import ConfigError, SecretError
from console.secrets import SecretRef, resolve

STRUCTS = [
    kinds.Config, kinds.StoreSection, kinds.EngineSection, kinds.SnmpProfile, kinds.SubscribeSection,
    kinds.BrokerSection, kinds.NotifySection, kinds.ThresholdSection, kinds.UiSection, kinds.JsonMapping,
    kinds.ObjectFields, kinds.SshProfile,
]  # fmt: skip

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
        ("port = 1884", 'port = "1884"', "line 22: broker.1.port: expected a whole number, found a text"),
        ('host = "localhost"\nport', 'hots = "localhost"\nport', r"line 21: unknown key `hots`.*did you mean `host`"),
        ("[store]", "[stroe]", r"unknown key `stroe`; did you mean `store`"),
        ('version = "2c"', 'version = "4"', r"line 9: snmp\.\*\.version|line 9"),
        ('kind = "wetter"', 'kind = "klima"', r"kind 'klima' of 'wetter/\+/messung' needs a section \[mapping.klima\]"),
        ('name = "weather"', 'name = "chirpstack"', "stands twice"),
        ('community = { file = "community" }', "", "needs `community"),
        ("lower = 200", "lower = 400", r"line 34: `lower` lies above `upper` in \[thresholds.rtt\]"),
        ('community = { file = "community" }', 'community = "public"', "line 10: a secret never stands in this file"),
        ('{ file = "community" }', '{ file = "a", env = "B" }', "line 10: snmp.old.community: a secret is one of"),
        ('version = "2c"', 'version = "2c"\nauth = "sha3"', "line 10: snmp.old.auth: expected one of md5, sha1"),
        ('version = "2c"', 'version = "2c"\npriv = "des"', r"line 8: \[snmp.old\] needs `auth`"),
        ("port = 1884", "port = 0", "line 22: broker.1.port: expected a whole number of at least 1"),
        ("poll_interval_s = 30", "poll_interval_s = 0", "line 6: engine.poll_interval_s: expected .* of at least 1"),
        ("poll_interval_s = 30", "mesh_interval_s = 9", "line 6: engine.mesh_interval_s: expected .* of at least 10"),
        ("poll_interval_s = 30", "retries = 11", "line 6: engine.retries: expected a whole number of at most 10"),
        ("port = 1884", "port = 1884\ntls = 1", "line 23: broker.1.tls: expected true or false, found a whole number"),
        ("port = 1884", 'port = 1884\nca_file = "x"', "line 23: `ca_file` has no effect without `tls = true`"),
        ('topic = "wetter/+/messung"', 'topic = "wetter/+x"', r"line 25: 'wetter/\+x' is no topic filter"),
        ('name = "weather"\n', "", r"line 19: \[broker.1\] needs `name`"),
        ("[thresholds.rtt]", "[thresholds.rttt]", r"line 32: unknown key `rttt` in \[thresholds\]; keys: rtt, load"),
        ("values = {", 'values = { fill_pct = { path = "x", factr = 2 },', "line 30: unknown key `factr`.*`factor`"),
        ('device = "station"', "", "line 28: mapping.wetter: give either `device`"),
        ('device = "station"', 'device = "station"\ncounter = "seq"', r"line 28: mapping"),
        ("[store]", "[store", "not TOML"),
        ('directory = "data"', 'directory = "a\\u0000b"', "line 3: store.directory holds a NUL character"),
        ('host = "localhost"\nport', 'host = "local\\u0000"\nport', "line 21: broker.1.host holds a NUL"),
        ("[thresholds.rtt]", '[snmp."a\\u0000"]\nversion = "2c"\n[thresholds.rtt]', "snmp.a.0 holds a NUL"),
        ('file = "community"', 'file = "~nobody-here/c"', "line 10: .*no home directory for '~nobody-here'"),
        ('directory = "data"', 'directory = "~nobody-here/c"', "line 3: store.directory: there is no home"),
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


@pytest.mark.parametrize("lang", ["de", "en"])
def test_no_message_quotes_a_secret(tmp_path: Path, lang: str) -> None:
    secret = "hunter2-hunter2"
    path = tmp_path / "secret"
    path.write_bytes(secret.encode() + b"\xff")
    path.chmod(0o600)
    texts.set_language(lang)
    said = []
    for text in (f'community = "{secret}"', f'community = ["{secret}"]', f'community = {{ plain = "{secret}" }}'):
        with pytest.raises(ConfigError) as refused:
            load(write(tmp_path, f'[snmp.old]\nversion = "2c"\n{text}\n'))
        said.append(str(refused.value))
    with pytest.raises(SecretError) as unreadable:
        resolve(SecretRef(file="secret"), "snmp.old community", tmp_path)
    assert unreadable.value.__cause__ is None
    said.append(str(unreadable.value))
    assert not any(secret in text for text in said)
    assert all("line 3" in text or "Zeile 3" in text for text in said[:3])


SECTIONS = ["", "[store]", "[engine]", "[snmp.a]", "[ssh.a]", '[snmp."b.c"]', "[[broker]]", "[[broker.subscribe]]",
            "[ui]", "[mapping.wetter]", "[profile.x]", "[thresholds.load]", "[notify]"]  # fmt: skip
NEEDED = {
    "[snmp": 'version = "3"\nuser = "u"\n',
    "[ssh": "agent = true\n",
    "[[broker]]": 'name = "n"\nhost = "h"\n',
    "[[broker.subscribe]]": 'topic = "t"\n',
    "[mapping": 'device = "d"\ntime = "t"\nvalues = { a = "b" }\n',
    "[profile": 'values = { a = "b" }\n',
    "[thresholds": "upper = 2\nlower = 1\n",
}


@given(st.sampled_from(SECTIONS), st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.integers(0, 4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_unknown_key_anywhere_is_refused_on_its_line(tmp_path: Path, section: str, key: str, before: int) -> None:
    """The same sections stand there without the key too: the right one of them is blamed."""
    texts.set_language("en")
    assume(key not in {name for kind in STRUCTS for name in kind.__struct_fields__})
    written: list[str] = []
    for one in SECTIONS:
        if one:
            written += ["", "# a comment [with.a.header]", one]
            written += next((text for begin, text in NEEDED.items() if one.startswith(begin)), "").splitlines()
        if one == section:
            written += [""] * before + [f"{key} = 1"]
            line = len(written)
    with pytest.raises(ConfigError, match=rf"leitstand.toml, line {line}: unknown key `{key}`"):
        load(write(tmp_path, "\n".join(written)))


def test_every_theme_of_the_configuration_exists() -> None:
    from textual.theme import BUILTIN_THEMES

    assert set(get_args(Theme)) - {"auto"} <= BUILTIN_THEMES.keys()


def test_a_file_from_windows_loads(tmp_path: Path) -> None:
    path = tmp_path / "leitstand.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load(path).engine.poll_interval_s == 30


def test_a_relative_store_lies_beside_its_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert load(write(tmp_path, GOOD)).store.directory == str(tmp_path.resolve() / "data")


@pytest.mark.parametrize("lang", ["de", "en"])
def test_the_written_examples_load_too(tmp_path: Path, lang: str) -> None:
    """What is commented out has to work for whoever takes the sign away."""
    texts.set_language(lang)
    example = re.compile(r"# (\[+[a-z]|[a-z_]+ = )")
    text = "\n".join(line[2:] if example.match(line) else line for line in template().splitlines())
    config = load(write(tmp_path, text))
    assert config.snmp.keys() == {"default", "old"}
    assert [one.kind for one in config.broker[0].subscribe] == ["chirpstack"]
    assert config.mapping.keys() == {"weather"}
    assert config.notify.listen
    assert config.ssh["default"].jump == "gate"


def test_every_key_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert [name for kind in STRUCTS for name in kind.__struct_fields__ if f"`{name}`" not in page] == []
    assert [theme for theme in get_args(Theme) if theme not in page] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ssh.a]\nuser = 'root'", r"line 1: \[ssh.a\] needs `key_file`, `password` or `agent = true`"),
        ("[ssh.a]\nagent = true\npassphrase = { env = 'X' }", "line 3: `passphrase` needs `key_file`"),
        ("[ssh.a]\nagent = true\njump = 'b'", r"line 3: `jump` names \[ssh.b\], which needs to exist"),
        ("[ssh.a]\nagent = true\njump = 'b'\n[ssh.b]\nagent = true", "line 3: `jump` names"),
        ("[ssh.a]\nagent = true\nhost = 'h'\njump = 'a'", r"line 4: the jump hosts lead back to \[ssh.a\]"),
    ],
)
def test_logins_that_cannot_work_are_refused(tmp_path: Path, text: str, said: str) -> None:
    texts.set_language("en")
    with pytest.raises(ConfigError, match=said):
        load(write(tmp_path, text))
