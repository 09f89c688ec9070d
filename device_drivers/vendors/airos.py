"""airOS over exec channels: a Linux with files of its own, and no command line netmiko would know. Changes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from device_drivers.capabilities import BoardFacts, BootFacts, ConfigRead
from device_drivers.errors import Garbled, Unreachable, Unsupported
from device_drivers.openwrt_parse import boot_facts, sections
from device_drivers.openwrt_scripts import SECTION, script
from device_drivers.vendors.reading import ReadOnlyNode

if TYPE_CHECKING:
    from device_drivers.registry import Shells
    from device_drivers.ssh import Shell, SshTarget

END_MARK: Final = "# leitstand: end of configuration"


def board_script() -> str:
    """Board file, version and host name."""
    return script(
        "airos-board",
        f"echo '{SECTION}board'; cat /etc/board.info || exit 127",
        f"echo '{SECTION}version'; cat /etc/version || exit 127",
        f"echo '{SECTION}name'; cat /proc/sys/kernel/hostname",
    )


def boot_script() -> str:
    """The same parts as on OpenWrt; older kernels tell no MemAvailable."""
    return script(
        "airos-boot",
        f"echo '{SECTION}boot_id'; cat /proc/sys/kernel/random/boot_id || exit 1",
        f"echo '{SECTION}uptime'; cat /proc/uptime",
        f"echo '{SECTION}memory'; grep -E 'MemAvailable|MemFree' /proc/meminfo | sort | head -n 1",
        f"echo '{SECTION}tmp'; df -k /tmp | tail -n 1",
        "exit 0",
    )


def config_script() -> str:
    """The running configuration, then our mark."""
    return script("airos-config", f"cat /tmp/system.cfg && echo '{END_MARK}'")


class AirOs:
    """What is asked, over one open shell."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def board(self) -> BoardFacts:
        """Model, version, serial (its address)."""
        return board_facts(self._shell.node_id, self._ask(board_script()))

    def boot(self) -> BootFacts:
        """Boot id, uptime and room."""
        return boot_facts(self._shell.node_id, self._ask(boot_script()))

    def read_config(self) -> ConfigRead:
        """`/tmp/system.cfg`, whole when our mark stands behind it."""
        body, mark, rest = self._ask(config_script()).rpartition(END_MARK)
        return ConfigRead(body if mark else rest, bool(mark) and not rest.strip())

    def _ask(self, text: str) -> str:
        ran = self._shell.run(text)
        if ran.exit_status is None:
            raise Unreachable(self._shell.node_id, "the connection ended before the answer")
        if ran.exit_status != 0:
            words = ran.stderr.decode("utf-8", "replace").strip()[:200]
            raise Unsupported(self._shell.node_id, f"this is no airOS: {words or ran.exit_status}")
        return ran.stdout.decode("utf-8", "replace")


def board_facts(node_id: str, text: str) -> BoardFacts:
    """`board.name=...` lines and the version, such as `XC.v8.7.11.46972.220614.0420`."""
    parts = sections(text)
    found = dict(line.split("=", 1) for line in parts.get("board", "").splitlines() if "=" in line)
    whole = parts.get("version", "")
    model = found.get("board.name", "")
    if not model or not whole:
        raise Garbled(node_id, f"no board.name and version in {text.strip()[:80]!r}")
    target, _, number = whole.partition(".")
    version = ".".join(number.lstrip("vV").split(".")[:3])
    serial = found.get("board.hwaddr", "").lower()
    board = found.get("board.shortname", model)
    return BoardFacts(board, model, parts.get("name", ""), version, whole, target, "", "airOS", serial, text.strip())


@contextlib.contextmanager
def opened(target: SshTarget, shells: Shells, log: Callable[[str], None]) -> Iterator[ReadOnlyNode]:  # noqa: ARG001
    """The driver of Ubiquiti airOS nodes; the shells log for themselves."""
    with shells.shell(target) as shell:
        yield ReadOnlyNode(target.node_id, "airOS", shell.identity(), AirOs(shell))
