"""The lab's `ubus`: the few objects a console calls, with the bus's own exit codes. State that a real rpcd keeps in its
memory lies in /tmp here, next to its process: a reboot loses both.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from uci import CONFIG, SAVED, Uci, UciError
from uci_model import Change

INVALID_ARGUMENT, METHOD_NOT_FOUND, NOT_FOUND, NO_DATA, PERMISSION_DENIED = 2, 3, 4, 5, 6
WORDS = {
    2: "Invalid argument",
    3: "Method not found",
    4: "Not found",
    5: "No response",
    6: "Permission denied",
    9: "Unknown error",
}
RPCD = Path("/var/run/rpcd")
SNAPSHOT, APPLY, SESSIONS = RPCD / "snapshot", RPCD / "apply", RPCD / "sessions"
APPLY_TIMEOUT_S = 60
Arguments = dict[str, Any]
Answer = Arguments | None


class Status(Exception):
    """A call that ended with another status than 0."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _words(path: str) -> str:
    return Path(path).read_text().strip() if Path(path).exists() else ""


def _release() -> dict[str, str]:
    pairs = [line.partition("=") for line in _words("/etc/openwrt_release").splitlines()]
    return {key.removeprefix("DISTRIB_").lower(): value.strip("'\"") for key, _, value in pairs}


def board(_: Arguments) -> Answer:
    """What the node is (procd's `system board`)."""
    release = _release()
    return {
        "kernel": os.uname().release,
        "hostname": os.uname().nodename,
        "system": os.uname().machine,
        "model": _words("/tmp/sysinfo/model"),
        "board_name": _words("/tmp/sysinfo/board_name"),
        "rootfs_type": "squashfs",
        "release": {
            "distribution": release["id"],
            "version": release["release"],
            "revision": release["revision"],
            "codename": "lab",
            "target": release["target"],
            "description": release["description"],
            "builddate": "1700000000",
        },
    }


def info(_: Arguments) -> Answer:
    """How it runs: loads times 65,536, memory in bytes, file systems in KiB."""
    memory = {key: int(rest.split()[0]) * 1024 for key, _, rest in _meminfo()}
    return {
        "localtime": int(time.time()),
        "uptime": int(float(_words("/proc/uptime").split()[0])),
        "load": [int(float(load) * 65_536) for load in _words("/proc/loadavg").split()[:3]],
        "memory": {
            "total": memory["MemTotal"],
            "free": memory["MemFree"],
            "shared": 0,
            "buffered": 0,
            "available": memory["MemAvailable"],
            "cached": memory["Cached"],
        },
        "root": _room("/"),
        "tmp": _room("/tmp"),
        "swap": {"total": 0, "free": 0},
    }


def _meminfo() -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in _words("/proc/meminfo").splitlines()]


def _room(path: str) -> dict[str, int]:
    usage = shutil.disk_usage(path)
    return {key: getattr(usage, key) // 1024 for key in ("total", "free", "used")} | {"avail": usage.free // 1024}


def validate_firmware_image(given: Arguments) -> Answer:
    """The verdict of /usr/libexec/validate_firmware_image."""
    ran = subprocess.run(
        ["/usr/libexec/validate_firmware_image", _text(given, "path")], stdout=subprocess.PIPE, check=False
    )
    if not ran.stdout:
        raise Status(9)
    return dict(json.loads(ran.stdout))


def _text(given: Arguments, key: str) -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value:
        raise Status(INVALID_ARGUMENT)
    return value


def create(given: Arguments) -> Answer:
    """A new session without any right."""
    session = secrets.token_hex(16)
    (SESSIONS / session).mkdir(parents=True)
    return {"ubus_rpc_session": session, "timeout": given.get("timeout", 300), "acls": {}, "data": {}}


def grant(given: Arguments) -> Answer:
    """Let a session write configuration."""
    session = SESSIONS / _text(given, "ubus_rpc_session")
    if not session.exists():
        raise Status(NOT_FOUND)
    if given.get("scope") == "uci":
        (session / "uci").touch()
    return None


def destroy(given: Arguments) -> Answer:
    """End a session and forget what it staged."""
    session = _text(given, "ubus_rpc_session")
    shutil.rmtree(SESSIONS / session, ignore_errors=True)
    shutil.rmtree(RPCD / f"uci-{session}", ignore_errors=True)
    return None


def _session_uci(given: Arguments) -> Uci:
    session = given.get("ubus_rpc_session")
    return Uci(saved=RPCD / f"uci-{session}" if session else SAVED)


def uci_get(given: Arguments) -> Answer:
    """One value, or all options of a section."""
    try:
        section = _session_uci(given).load(_text(given, "config")).section(_text(given, "section"))
    except UciError as error:
        raise Status(NOT_FOUND) from error
    if "option" not in given:
        return {"values": {".type": section.kind, ".name": section.name, **section.options}}
    if given["option"] not in section.options:
        raise Status(NOT_FOUND)
    return {"value": section.options[given["option"]]}


def uci_set(given: Arguments) -> Answer:
    """Stage values for one section in the session's own directory."""
    uci, config = _session_uci(given), _text(given, "config")
    try:
        section = uci.load(config).section(_text(given, "section"))
    except UciError as error:
        raise Status(NOT_FOUND) from error
    for option, value in given.get("values", {}).items():
        uci.stage(config, Change("=", section.name, option, str(value)))
    return None


def uci_changes(given: Arguments) -> Answer:
    """What is staged, as lists of words."""
    uci, words = _session_uci(given), {"=": "set", "+": "add", "-": "remove", "|": "list-add", "~": "list-del"}
    staged = {name: uci.staged(name) for name in uci.packages()}
    return {
        "changes": {
            name: [[words.get(one.sign, "order"), one.section, one.option, one.value] for one in changes]
            for name, changes in staged.items()
            if changes
        }
    }


def uci_commit(given: Arguments) -> Answer:
    """Put one package's staged changes into its file."""
    try:
        _session_uci(given).commit(_text(given, "config"))
    except UciError as error:
        raise Status(NOT_FOUND) from error
    return reload_config(given)


def apply(given: Arguments) -> Answer:
    """Commit the session's changes; with `rollback` take them back unless `confirm` comes in time."""
    rollback = bool(given.get("rollback"))
    if APPLY.exists() and rollback:
        raise Status(PERMISSION_DENIED)
    session = _text(given, "ubus_rpc_session")
    saved = RPCD / f"uci-{session}"
    staged = [path.name for path in saved.glob("*") if path.stat().st_size]
    if not staged:
        raise Status(NO_DATA)
    if not (SESSIONS / session / "uci").exists():
        raise Status(PERMISSION_DENIED)
    shutil.rmtree(SNAPSHOT, ignore_errors=True)
    SNAPSHOT.mkdir(parents=True)
    for name in staged:
        shutil.copy(CONFIG / name, SNAPSHOT / name)
        Uci(saved=saved).commit(name)
    if rollback:
        _arm(session, int(given.get("timeout", APPLY_TIMEOUT_S)))
    return reload_config(given)


def _arm(session: str, timeout_s: int) -> None:
    """The timer is a process: like rpcd's memory it does not outlive the boot, nor a restart of rpcd."""
    timer = f'sleep {timeout_s}; exec ubus call uci rollback \'{{"ubus_rpc_session":"{session}"}}\''
    process = subprocess.Popen(["setsid", "sh", "-c", timer], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    APPLY.write_text(f"{session} {process.pid}")


def _pending(given: Arguments) -> int:
    """The timer's process; only the session that applied may decide."""
    if not APPLY.exists():
        raise Status(NO_DATA)
    session, process = APPLY.read_text().split()
    if _text(given, "ubus_rpc_session") != session:
        raise Status(PERMISSION_DENIED)
    return int(process)


def _disarm(process: int) -> None:
    APPLY.unlink()
    shutil.rmtree(SNAPSHOT, ignore_errors=True)
    if process not in {os.getpid(), os.getppid()}:
        try:
            os.killpg(process, signal.SIGTERM)
        except ProcessLookupError:
            return


def confirm(given: Arguments) -> Answer:
    """Keep what was applied."""
    _disarm(_pending(given))
    return None


def rollback(given: Arguments) -> Answer:
    """Put the files back as they were."""
    process = _pending(given)
    for path in SNAPSHOT.iterdir():
        shutil.copy(path, CONFIG / path.name)
    reload_config(given)
    _disarm(process)
    return None


def reload_config(_: Arguments) -> Answer:
    """Have every service whose file changed read it again, after the call has been answered."""
    subprocess.run(["/sbin/reload_config"], check=False)
    return None


def radio(given: Arguments) -> Answer:
    """One radio (rpcd's iwinfo), made from `iw`'s own output."""
    ran = subprocess.run(["iw", "dev", _text(given, "device"), "info"], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise Status(NOT_FOUND)
    words = next(line.split() for line in ran.stdout.splitlines() if "channel" in line)
    return {"mode": "Mesh Point", "channel": int(words[1]), "frequency": int(words[2].strip("("))}


def assoclist(given: Arguments) -> Answer:
    """Stations of one radio (rpcd's iwinfo), made from `iw`'s own output."""
    device = _text(given, "device")
    ran = subprocess.run(["iw", "dev", device, "station", "dump"], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise Status(NOT_FOUND)
    stations: list[dict[str, Any]] = []
    for line in ran.stdout.splitlines():
        if line.startswith("Station"):
            stations.append({"mac": line.split()[1].upper(), "noise": -95, "thr": 0})
        key, _, value = line.strip().partition(":")
        number = value.split()[0] if value.split() else ""
        if key in {"signal", "signal avg"}:
            stations[-1][key.replace(" ", "_")] = int(number)
        elif key == "inactive time":
            stations[-1]["inactive"] = int(number)
        elif key == "mesh plink":
            stations[-1]["mesh plink"] = number
    return {"results": stations}


Method = Callable[[Arguments], Answer]
OBJECTS: dict[str, dict[str, Method]] = {
    "iwinfo": {"info": radio, "assoclist": assoclist},
    "session": {"create": create, "grant": grant, "destroy": destroy},
    "system": {"board": board, "info": info, "validate_firmware_image": validate_firmware_image},
    "uci": {
        "get": uci_get,
        "set": uci_set,
        "changes": uci_changes,
        "commit": uci_commit,
        "apply": apply,
        "confirm": confirm,
        "rollback": rollback,
        "reload_config": reload_config,
    },
}


def call(words: list[str]) -> Answer:
    """One call; raises Status."""
    methods = OBJECTS.get(words[0])
    if methods is None:
        raise Status(NOT_FOUND)
    method = methods.get(words[1])
    if method is None:
        raise Status(METHOD_NOT_FOUND)
    try:
        given = json.loads(words[2]) if len(words) > 2 else {}
    except ValueError as error:
        raise Status(INVALID_ARGUMENT) from error
    return method(given)


def main(arguments: list[str]) -> int:
    """`ubus list` and `ubus [-S] [-t SECONDS] call OBJECT METHOD [JSON]`."""
    words, compact = [word for word in arguments if word != "-S"], "-S" in arguments
    if words[:1] == ["-t"]:
        words = words[2:]
    if words[:1] == ["list"]:
        print("\n".join(name for name in OBJECTS if words[1:] in ([], [name])))
        return 0
    if words[:1] != ["call"] or len(words) not in {3, 4}:
        print("Usage: ubus [<options>] <command> [arguments...]", file=sys.stderr)
        return 254
    try:
        answer = call(words[1:])
    except Status as status:
        print(f"Command failed: {WORDS.get(status.code, 'Unknown error')}", file=sys.stderr)
        return status.code
    if answer is not None:
        print(json.dumps(answer) if compact else json.dumps(answer, indent="\t"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
