"""The one TOML file: unknown keys and wrong values are refused with file and line; secrets stand only by reference."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec
import platformdirs

from console.errors import ConfigError
from console.secrets import SecretRef
from device_drivers.api import AuthProtocol, PrivProtocol
from device_drivers.json_mapping import JsonMapping, ObjectFields

APP = "leitstand"
FILE_NAME = "leitstand.toml"
_FIELD = re.compile(r"unknown field `([^`]+)`")
_PATH = re.compile(r" - at `([^`]*)`$")
_HEADER = re.compile(r"^\s*\[(\[?)\s*([^\]]+?)\s*\]")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The common rule of all sections: nothing unknown."""


class StoreSection(Section, frozen=True, kw_only=True):
    """`[store]`. `key`: where the store's key lies; `auto` takes the key file if there is one, else the keyring."""

    directory: str = ""
    key: Literal["auto", "keyring", "file"] = "auto"
    raw_days: int = 30
    quarter_hour_days: int = 60
    day_days: int = 1830


class EngineSection(Section, frozen=True, kw_only=True):
    """`[engine]`: how often and how hard nodes are asked."""

    poll_interval_s: int = 60
    timeout_ms: int = 2000
    retries: int = 2
    max_in_flight: int = 1000
    max_per_uplink: int = 32


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

    topic: str
    kind: str = "chirpstack"
    qos: Literal[0, 1] = 1


class BrokerSection(Section, frozen=True, kw_only=True):
    """`[[broker]]`: one MQTT broker."""

    name: str
    host: str
    port: int = 1883
    client_id: str = ""
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    user: str | None = None
    password: SecretRef | None = None
    subscribe: list[SubscribeSection] = []


class NotifySection(Section, frozen=True, kw_only=True):
    """`[notify]`: where SNMP traps and informs are received; empty for not at all."""

    listen: str = ""
    port: int = 1162


class ThresholdSection(Section, frozen=True, kw_only=True):
    """`[thresholds.MEASURE]` for `rtt` (ms), `load` (%) and `memory` (%)."""

    upper: float
    lower: float


class UiSection(Section, frozen=True, kw_only=True):
    """`[ui]`: what the screens begin with."""

    lang: Literal["auto", "de", "en"] = "auto"
    role: Literal["network", "dispatch", "field"] = "network"
    theme: str = "auto"
    glyphs: Literal["braille", "block", "ascii"] = "braille"


class Config(Section, frozen=True, kw_only=True):
    """The whole file."""

    store: StoreSection = StoreSection()
    engine: EngineSection = EngineSection()
    snmp: dict[str, SnmpProfile] = {}
    notify: NotifySection = NotifySection()
    broker: list[BrokerSection] = []
    mapping: dict[str, JsonMapping] = {}
    profile: dict[str, ObjectFields] = {}
    thresholds: dict[Literal["rtt", "load", "memory"], ThresholdSection] = {}
    ui: UiSection = UiSection()


def find_file(given: Path | None) -> Path | None:
    """`--config`, else ./leitstand.toml, else the user's, else None. Raises ConfigError when the given is absent."""
    if given is not None:
        if not given.is_file():
            raise ConfigError(f"{given}: no such file; make one with `leitstand init --config {given}`")
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
        text = path.read_text(encoding="utf-8")
        config = msgspec.convert(tomllib.loads(text), Config)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(path, text, str(error))) from error
    for complaint in _complaints(config, text):
        raise ConfigError(f"{path}, {complaint}")
    if not config.store.directory:
        return config
    # Like every other path of the file, the store's is relative to the file and not to where somebody stands.
    directory = path.resolve().parent / Path(config.store.directory).expanduser()
    return msgspec.structs.replace(config, store=msgspec.structs.replace(config.store, directory=str(directory)))


def store_directory(config: Config, given: Path | None) -> Path:
    """`--store`, else the environment's LEITSTAND_STORE, else the configuration's, else the user's data directory."""
    if given is not None:
        return given
    text = os.environ.get("LEITSTAND_STORE") or config.store.directory
    return Path(text).expanduser() if text else Path(platformdirs.user_data_dir(APP))


def _complaints(config: Config, text: str) -> Iterable[str]:
    """What the types cannot say: version 3 needs a user, names once, kinds that exist."""
    for name, profile in config.snmp.items():
        line = _line(text, ["snmp", name], None)
        if profile.version == "2c" and profile.community is None:
            yield f'line {line}: [snmp.{name}] is version 2c and needs `community = {{ file = "..." }}`'
        if profile.version == "3" and not profile.user:
            yield f"line {line}: [snmp.{name}] is version 3 and needs `user`"
        if profile.auth and profile.auth_password is None:
            yield f"line {line}: [snmp.{name}] has `auth` and needs `auth_password`"
        if profile.priv and (profile.priv_password is None or not profile.auth):
            yield f"line {line}: [snmp.{name}] has `priv` and needs `auth` and `priv_password`"
    names = [broker.name for broker in config.broker]
    for at, broker in enumerate(config.broker):
        line = _line(text, ["broker", at], None)
        if names.count(broker.name) > 1:
            yield f"line {line}: the broker name {broker.name!r} stands twice; each needs its own"
        for one in broker.subscribe:
            if one.kind != "chirpstack" and one.kind not in config.mapping:
                yield f"line {line}: kind {one.kind!r} of {one.topic!r} needs a section [mapping.{one.kind}]"
    for name, limit in config.thresholds.items():
        if limit.lower > limit.upper:
            line = _line(text, ["thresholds", name], None)
            yield f"line {line}: [thresholds.{name}] has `lower` above `upper`"


def _explain(path: Path, text: str, message: str) -> str:
    """msgspec's message with file and line, and the nearest key that exists."""
    found = _PATH.search(message)
    steps = _steps(found[1]) if found else []
    plain = _PATH.sub("", message)
    unknown = _FIELD.search(plain)
    if unknown is None:
        parent, key = (
            (steps[:-1], steps[-1]) if steps and isinstance(steps[-1], str) and steps[-1] != "*" else (steps, None)
        )
        where = ".".join(str(step) for step in steps)
        return f"{path}, line {_line(text, parent, key)}: {where}: {plain}"
    key = unknown[1]
    near = difflib.get_close_matches(key, _known_keys(steps), 1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    place = f" in [{'.'.join(str(step) for step in steps)}]" if steps else ""
    return f"{path}, line {_line(text, steps, key)}: unknown key `{key}`{place}{hint}"


def _steps(path: str) -> list[str | int]:
    """`$.broker[0].port` as ["broker", 0, "port"]; `[...]` stands for any key of a table."""
    steps: list[str | int] = []
    for name, index in re.findall(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", path):
        steps.append(name or ("*" if index == "..." else int(index)))
    return steps


def _known_keys(steps: list[str | int]) -> list[str]:
    """The keys allowed at a place of the file."""
    kind: Any = Config
    for step in steps:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            kind = {field.name: field.type for field in msgspec.structs.fields(kind)}.get(str(step))
        else:
            kind = next(
                (one for one in getattr(kind, "__args__", ()) if isinstance(one, type) and one is not str), None
            )
    if kind is not None and not isinstance(kind, type):
        kind = next((one for one in getattr(kind, "__args__", ()) if _is_struct(one)), None)
    return [field.name for field in msgspec.structs.fields(kind)] if _is_struct(kind) else []


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _line(text: str, table: list[str | int], key: str | None) -> int:
    """The line of a key in a table, or of the table's header; 1 when it cannot be told."""
    wanted = [str(step) for step in table if not isinstance(step, int)]
    index = next((step for step in reversed(table) if isinstance(step, int)), 0)
    current: list[str] = []
    seen: dict[str, int] = {}
    best = 1
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            current = [part.strip().strip("\"'") for part in header[2].split(".")]
            seen[".".join(current)] = seen.get(".".join(current), -1) + 1
        here = len(current) == len(wanted) and all(w in ("*", c) for w, c in zip(wanted, current, strict=True))
        if not here or (header and header[1] and seen[".".join(current)] != index):
            continue
        if header:
            best = number
        if key is not None and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return number
    return best
