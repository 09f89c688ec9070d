"""Looks at everything that has to be right before a watch can be trusted, and says what to do about each."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from console import texts
from console.config import BrokerSection, Config, SnmpProfile
from console.errors import SecretError
from console.texts import _
from device_drivers.api import Subscription
from device_drivers.errors import DriverError, Unsupported
from local_store import keys, lease, nodes, space
from local_store.db import OPS, Reader
from local_store.errors import StoreError
from local_store.sqlite import ENCRYPTS, lib

Verdict = Literal["ok", "warning", "problem"]
What = Literal[
    "configuration",
    "snmp",
    "ssh",
    "login",
    "profiles",
    "broker",
    "store",
    "rights",
    "engine",
    "clock",
    "database",
    "disk",
    "terminal",
]
NEVER_SET_MS: Final = 1_735_689_600_000
"""The year 2025: a board without a battery begins in 1970, 2000 or when its firmware was built."""
AHEAD_MS: Final = 5_000
SOUND_SQLITE: Final = (3, 51, 3)
"""The first without the WAL-reset bug (sqlite.org/wal.html#walresetbug)."""
LOCAL: Final = ("localhost", "127.0.0.1", "::1")
WEAK: Final = (None, "md5", "des")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; `subject` tells several of a kind apart, `advice` is what to do."""

    check: What
    subject: str
    verdict: Verdict
    found: str
    advice: str = ""


def examine(config: Config, base: Path, directory: Path, now_ms: int) -> Iterator[Check]:
    """Every check in turn. `base` is where relative paths of the configuration begin."""
    for name, profile in config.snmp.items():
        yield snmp(name, profile, base)
    for section in config.broker:
        yield broker(section, base)
    from console import doctor_ssh  # it makes Checks too

    yield from doctor_ssh.profiles(config, base)
    yield from store(config, directory, now_ms)
    yield from logins(config, base, directory)
    yield database()
    yield disk(directory)
    yield terminal(os.environ)


def snmp(name: str, profile: SnmpProfile, base: Path) -> Check:
    """Whether the secrets are there and make keys, and whether they are worth anything."""
    from console.compose import credentials
    from device_drivers.snmp_keys import KeyChoiceError, master_keys

    try:
        master_keys(credentials({name: profile}, base)[name])
    except SecretError as error:
        return Check("snmp", name, "problem", str(error))
    except KeyChoiceError:
        advice = _("give passwords of 8 characters at least (RFC 3414 section 11.2)")
        return Check("snmp", name, "problem", _("a password is too short for SNMPv3"), advice)
    if profile.version == "2c":
        advice = _("anybody on the way can read and forge it: use SNMPv3 with SHA and AES where the node can")
        return Check("snmp", name, "warning", "SNMPv2c", advice)
    found = f"SNMPv3 {profile.auth or '–'} {profile.priv or '–'}"
    if profile.auth in WEAK or profile.priv in WEAK:
        return Check(
            "snmp", name, "warning", found, _("weak or missing protection: use SHA and AES where the node can")
        )
    return Check("snmp", name, "ok", found)


def broker(section: BrokerSection, base: Path) -> Check:
    """Log in as nobody else does, subscribe, leave."""
    from console.compose import broker_target
    from device_drivers.mqtt_probe import probe

    def verdict(of: Verdict, found: str, advice: str = "") -> Check:
        return Check("broker", section.name, of, found, advice)

    if not section.subscribe:
        return verdict("warning", _("subscribes to nothing"), _("add a [[broker.subscribe]] with a topic"))
    wanted = [Subscription(one.topic, one.kind, one.qos) for one in section.subscribe]
    try:
        probe(broker_target(section, base), wanted, f"leitstand-doctor-{secrets.token_hex(4)}")
    except Unsupported as error:
        return verdict("warning", _("reached, but the login was not tried: {error}").format(error=error.evidence))
    except SecretError as error:
        return verdict("problem", str(error))
    except DriverError as error:
        return verdict("problem", error.evidence, _("check host, port, user, password and certificates"))
    if section.tls:
        return verdict("ok", _("logged in, encrypted, certificate trusted"))
    if section.host in LOCAL:
        return verdict("ok", _("logged in on this machine"))
    return verdict("warning", _("logged in, not encrypted"), _("set `tls = true` and the broker's TLS port"))


def store(config: Config, directory: Path, now_ms: int) -> Iterator[Check]:
    """The key, the files' rights, and what only the opened store can tell."""
    if not (directory / OPS).exists():
        found = _("{place} holds no store yet").format(place=directory)
        yield Check("store", "", "warning", found, _("`leitstand collect` makes it"))
        return
    try:
        key = keys.store_key(directory, config.store.key, create=False)
        reader = Reader(directory, key.raw)
    except StoreError as error:
        yield Check("store", "", "problem", str(error))
        return
    try:
        yield _protection(directory, key.place)
        yield _rights(directory)
        held = reader.read(lease.read)
        yield _engine(directory, held, now_ms)
        yield clock(held, now_ms)
        used = reader.read(lambda cx: {node.profile for node in nodes.all_nodes(cx)})
        yield _profiles(used - config.snmp.keys())
    finally:
        reader.close()


def logins(config: Config, base: Path, directory: Path) -> Iterator[Check]:
    """Whether nodes of the store let us in; a store that cannot be read was told already."""
    from console import doctor_ssh

    if not config.ssh or not (directory / OPS).exists():
        return
    try:
        reader = Reader(directory, keys.store_key(directory, config.store.key, create=False).raw)
    except StoreError:
        return
    try:
        known = reader.read(nodes.all_nodes)
    finally:
        reader.close()
    yield from doctor_ssh.logins(config, base, directory, known)


def _protection(directory: Path, place: str) -> Check:
    if place == "keyring":
        return Check("store", "", "ok", _("{place}, encrypted, key in the keyring").format(place=directory))
    if place == "none":
        advice = _("install sqlcipher3, or keep the directory on an encrypted disk")
        return Check("store", "", "warning", _("{place}, not encrypted").format(place=directory), advice)
    advice = _("whoever can read this account's files can read the store; a keyring keeps the key apart")
    return Check(
        "store", "", "warning", _("{place}, encrypted, key in a file beside it").format(place=directory), advice
    )


def _rights(directory: Path) -> Check:
    paths = (directory, *sorted(directory.iterdir()))
    shared = [path.name for path in paths if stat.S_IMODE(path.lstat().st_mode) & 0o077]
    if shared:
        found = _("others have rights to {names}").format(names=", ".join(shared))
        return Check("rights", "", "problem", found, f"chmod -R go= {directory}")
    return Check("rights", "", "ok", _("only this account reaches the store's files"))


def _engine(directory: Path, held: lease.LeaseRow | None, now_ms: int) -> Check:
    if not lease.is_held(directory):
        return Check("engine", "", "warning", _("not running"), _("start `leitstand collect`, or the screens"))
    if held is not None and not held.is_fresh(now_ms):
        found = _("process {pid} holds the store, but its last beat is {age} old").format(
            pid=held.pid, age=texts.age(held.beat_ms, now_ms)
        )
        return Check("engine", "", "problem", found, _("stop that process and start `leitstand collect` again"))
    return Check("engine", "", "ok", _("running as process {pid}").format(pid="?" if held is None else held.pid))


def clock(held: lease.LeaseRow | None, now_ms: int) -> Check:
    """A clock that was never set, or was set back behind what the store has seen."""
    shown = texts.moment(now_ms)
    advice = _("set the clock (timedatectl, chrony): measurements would get wrong times")
    if now_ms < NEVER_SET_MS:
        return Check("clock", "", "problem", _("{time} cannot be: it was never set").format(time=shown), advice)
    last = 0 if held is None else max(held.beat_ms, held.started_ms)
    if last > now_ms + AHEAD_MS:
        found = _("{time} lies before the engine's last beat at {last}").format(time=shown, last=texts.moment(last))
        return Check("clock", "", "problem", found, advice)
    return Check("clock", "", "ok", shown)


def _profiles(unknown: set[str]) -> Check:
    if not unknown:
        return Check("profiles", "", "ok", _("every node's profile is configured"))
    names = ", ".join(sorted(unknown))
    advice = _("add [snmp.NAME], or correct the column `profile` of those nodes: they are not polled")
    return Check(
        "profiles", "", "warning", _("nodes name profiles nobody configured: {names}").format(names=names), advice
    )


def database() -> Check:
    """The library under the store."""
    name = "SQLCipher" if ENCRYPTS else "SQLite"
    found = f"{name} {lib.sqlite_version}"
    if tuple(int(part) for part in lib.sqlite_version.split(".")) < SOUND_SQLITE:
        advice = _("this SQLite can damage a store that two processes write at one moment: install sqlcipher3")
        return Check("database", "", "problem", found, advice)
    return Check("database", "", "ok", found)


def disk(directory: Path) -> Check:
    """Room on the store's disk, by the same limits the engine stops at."""
    place = next(one for one in (directory, *directory.absolute().parents) if one.exists())
    free = space.free_bytes(place)
    limits = space.limits_for(space.disk_bytes(place))
    found = _("{size} free").format(size=texts.size(free))
    if space.measuring_stops(free, limits, stopped=False):
        return Check("disk", "", "problem", found, _("no measurements are kept any more: free space on this disk"))
    if free < 2 * limits.resume_from:
        return Check("disk", "", "warning", found, _("measurements stop soon: free space on this disk"))
    return Check("disk", "", "ok", found)


def terminal(environment: Mapping[str, str]) -> Check:
    """Size, letters and colours; what a screen would meet, or that there is none."""
    if not sys.stdout.isatty():
        return Check("terminal", "", "ok", _("none: output goes to a file or a pipe"))
    columns, rows = shutil.get_terminal_size()
    kind = environment.get("TERM", "dumb")
    few = not environment.get("COLORTERM") and "256" not in kind
    colours = _("no colours") if environment.get("NO_COLOR") else _("16 colours") if few else _("many colours")
    found = f"{columns}x{rows}, {kind}, {colours}"
    if kind == "dumb":
        return Check("terminal", "", "warning", found, _("it cannot show the screens; the commands work"))
    if not (sys.stdout.encoding or "").lower().startswith("utf"):
        advice = _('set a UTF-8 locale, or `glyphs = "ascii"` in [ui]')
        return Check("terminal", "", "warning", f"{found}, {sys.stdout.encoding}", advice)
    if columns < 80 or rows < 24:
        return Check("terminal", "", "warning", found, _("the screens are made for 80x24 and more"))
    return Check("terminal", "", "ok", found)
