"""EdgeOS over netmiko: facts from `show version`, the configuration from its file. Changes nothing."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from device_drivers.capabilities import BoardFacts, BootFacts, ConfigRead
from device_drivers.errors import Garbled
from device_drivers.vendors import netmiko_line
from device_drivers.vendors.reading import ReadOnlyNode

if TYPE_CHECKING:
    from device_drivers.registry import Shells
    from device_drivers.ssh import SshTarget

CONFIG: Final = "cat /config/config.boot"
END: Final = "/* Release version:"
"""EdgeOS' own last line of a whole configuration file."""
_ROW: Final = re.compile(r"^([A-Za-z/ ]+?):\s+(.*?)\s*$", re.MULTILINE)


class EdgeOs:
    """What is asked, over one open command line."""

    def __init__(self, line: netmiko_line.CommandLine) -> None:
        self._line = line

    def board(self) -> BoardFacts:
        """Model, version, serial."""
        return board_facts(self._line.node_id, self._line.ask("show version"))

    def boot(self) -> BootFacts:
        """Boot id and uptime from Linux underneath."""
        text = self._line.ask("cat /proc/sys/kernel/random/boot_id /proc/uptime /proc/meminfo")
        return boot_facts(self._line.node_id, text)

    def read_config(self) -> ConfigRead:
        """The saved configuration, whole when its own last line is there."""
        text = self._line.ask(CONFIG)
        return ConfigRead(text, END in text[-200:])


def board_facts(node_id: str, text: str) -> BoardFacts:
    """`show version`."""
    found: dict[str, str] = dict(_ROW.findall(text.replace("\r", "")))
    if not found.get("Version") or not found.get("HW model"):
        raise Garbled(node_id, f"no Version and HW model in {text.strip()[:80]!r}")
    model, serial = found["HW model"], found.get("HW S/N", "")
    version = found["Version"]
    return BoardFacts(model, model, "", version, found.get("Build ID", version), "", "", "EdgeOS", serial, text.strip())


def boot_facts(node_id: str, text: str) -> BootFacts:
    """boot_id, /proc/uptime and /proc/meminfo one after the other."""
    memory = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    lines = text.split("\n")
    try:
        return BootFacts(lines[0].strip(), int(float(lines[1].split()[0])), int(memory[1]) * 1024 if memory else 0, 0)
    except (IndexError, ValueError, OverflowError) as error:
        raise Garbled(node_id, f"no boot facts in {text[:80]!r}") from error


@contextlib.contextmanager
def opened(target: SshTarget, shells: Shells, log: Callable[[str], None]) -> Iterator[ReadOnlyNode]:
    """The driver of EdgeOS nodes."""
    with shells.place(target), netmiko_line.connect(target, "ubiquiti_edgerouter", log) as line:
        yield ReadOnlyNode(target.node_id, "EdgeOS", line.fingerprint, EdgeOs(line))
