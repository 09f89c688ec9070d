"""The one TOML file as frozen data: what it may hold. What is wrong with one is said in console/config_check.py."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import platformdirs

from console import config_check
from console.errors import ConfigError
from console.secrets import SecretRef
from console.texts import _
from device_drivers.api import AuthProtocol, PrivProtocol
from device_drivers.json_mapping import JsonMapping, ObjectFields

APP = "leitstand"
FILE_NAME = "leitstand.toml"

Text = Annotated[str, msgspec.Meta(min_length=1)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Days = Annotated[int, msgspec.Meta(ge=1, le=36_500)]
Theme = Literal[
    "auto", "ansi-dark", "ansi-light", "textual-dark", "textual-light", "nord", "gruvbox", "dracula", "tokyo-night",
    "monokai", "catppuccin-mocha", "catppuccin-latte", "solarized-dark", "solarized-light",
]  # fmt: skip


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The common rule of all sections: nothing unknown."""


class StoreSection(Section, frozen=True, kw_only=True):
    """`[store]`. `key`: where the store's key lies; `auto` takes the key file if there is one, else the keyring."""

    directory: str = ""
    key: Literal["auto", "keyring", "file"] = "auto"
    raw_days: Days = 30
    quarter_hour_days: Days = 60
    day_days: Days = 1830


class EngineSection(Section, frozen=True, kw_only=True):
    """`[engine]`: how often and how hard nodes are asked."""

    poll_interval_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60
    timeout_ms: Annotated[int, msgspec.Meta(ge=50, le=60_000)] = 2000
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 2
    max_in_flight: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    max_per_uplink: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 32
    mesh_interval_s: Annotated[int, msgspec.Meta(ge=10, le=86_400)] = 300
    max_ssh: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 64


class SnmpProfile(Section, frozen=True, kw_only=True):
    """`[snmp.NAME]`: one set of rights; nodes name it in their column `profile`."""

    version: Literal["2c", "3"]
    community: SecretRef | None = None
    user: str = ""
    auth: AuthProtocol | None = None
    auth_password: SecretRef | None = None
    priv: PrivProtocol | None = None
    priv_password: SecretRef | None = None


class SubscribeSection(Section, frozen=True, kw_only=True):
    """`[[broker.subscribe]]`: a topic filter and the kind of payload there."""

    topic: Text
    kind: str = "chirpstack"
    qos: Literal[0, 1] = 1


class BrokerSection(Section, frozen=True, kw_only=True):
    """`[[broker]]`: one MQTT broker."""

    name: Text
    host: Text
    port: Port = 1883
    client_id: str = ""
    tls: bool = False
    ca_file: Text | None = None
    cert_file: Text | None = None
    key_file: Text | None = None
    user: str | None = None
    password: SecretRef | None = None
    subscribe: list[SubscribeSection] = []


class SshProfile(Section, frozen=True, kw_only=True):
    """`[ssh.NAME]`: how to log in to nodes; `host` is for a profile that others name as `jump`."""

    user: Text = "root"
    port: Port = 22
    key_file: Text | None = None
    passphrase: SecretRef | None = None
    password: SecretRef | None = None
    agent: bool = False
    host: Text | None = None
    jump: Text | None = None
    known_hosts: Text | None = None
    timeout_s: Annotated[int, msgspec.Meta(ge=1, le=300)] = 15


class ConfigurationSection(Section, frozen=True, kw_only=True):
    """`[configuration]`: templates and rules of nodes' configurations, and how often each is backed up."""

    directory: str = ""
    backup_interval_h: Annotated[int, msgspec.Meta(ge=1, le=720)] = 24


class NotifySection(Section, frozen=True, kw_only=True):
    """`[notify]`: where SNMP traps and informs are received; empty for not at all."""

    listen: str = ""
    port: Port = 1162


class ThresholdSection(Section, frozen=True, kw_only=True):
    """`[thresholds.MEASURE]` for `rtt` (ms), `load` (%) and `memory` (%)."""

    upper: Annotated[float, msgspec.Meta(ge=0)]
    lower: Annotated[float, msgspec.Meta(ge=0)]


class UiSection(Section, frozen=True, kw_only=True):
    """`[ui]`: what the screens begin with."""

    lang: Literal["auto", "de", "en"] = "auto"
    role: Literal["network", "dispatch", "field"] = "network"
    theme: Theme = "auto"
    glyphs: Literal["braille", "block", "ascii"] = "braille"


class Config(Section, frozen=True, kw_only=True):
    """The whole file."""

    store: StoreSection = StoreSection()
    engine: EngineSection = EngineSection()
    snmp: dict[str, SnmpProfile] = {}
    ssh: dict[str, SshProfile] = {}
    configuration: ConfigurationSection = ConfigurationSection()
    notify: NotifySection = NotifySection()
    broker: list[BrokerSection] = []
    mapping: dict[str, JsonMapping] = {}
    profile: dict[str, ObjectFields] = {}
    thresholds: dict[Literal["rtt", "load", "memory"], ThresholdSection] = {}
    ui: UiSection = UiSection()


def find_file(given: Path | None) -> Path | None:
    """`--config`, else ./leitstand.toml, else the user's, else None. Raises ConfigError when the given is absent."""
    if given is not None:
        if given.is_dir():
            text = _("{path} is a directory: name the file in it, such as --config {example}")
            raise ConfigError(text.format(path=given, example=given / FILE_NAME))
        if not given.exists():
            text = _("{path}: no such file; make one with `leitstand init --config {path}`")
            raise ConfigError(text.format(path=given))
        return given
    for path in (Path.cwd() / FILE_NAME, Path(platformdirs.user_config_dir(APP)) / FILE_NAME):
        if path.is_file():
            return path
    return None


def load(path: Path | None) -> Config:
    """Read and check the file; without one everything has its default. Raises ConfigError."""
    if path is None:
        return Config()
    try:
        text = path.read_text(encoding="utf-8-sig")
        raw = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(_("{path}: cannot be read: {error}").format(path=path, error=error.strerror)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(_("{path}: not UTF-8 text").format(path=path)) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_("{path}: not TOML: {error}").format(path=path, error=error)) from error
    return _in_place(_checked(path, text, raw), path)


def _checked(path: Path, text: str, raw: dict[str, Any]) -> Config:
    complaint = config_check.unusable(raw)
    if complaint is None:
        try:
            config = msgspec.convert(raw, Config)
        except msgspec.ValidationError:
            complaint = config_check.refused(raw, Config)
        else:
            complaint = config_check.complaint(config)
            if complaint is None:
                return config
    line = config_check.line_of(text, complaint.path)
    where = _("{path}, line {line}: {what}").format(path=path, line=line, what=complaint.text)
    raise ConfigError(where)


def _in_place(config: Config, path: Path) -> Config:
    """A relative store directory lies beside the file, wherever a command is started."""
    if not config.store.directory:
        return config
    place = path.resolve().parent / Path(config.store.directory).expanduser()
    return msgspec.structs.replace(config, store=msgspec.structs.replace(config.store, directory=str(place)))


def store_directory(config: Config, given: Path | None) -> Path:
    """`--store`, else the environment's LEITSTAND_STORE, else the configuration's, else the user's data directory."""
    if given is not None:
        return given
    text = os.environ.get("LEITSTAND_STORE") or config.store.directory
    try:
        return Path(text).expanduser() if text else Path(platformdirs.user_data_dir(APP))
    except RuntimeError as error:
        said = _("LEITSTAND_STORE: there is no home directory for {user!r}")
        raise ConfigError(said.format(user=text.partition("/")[0])) from error
