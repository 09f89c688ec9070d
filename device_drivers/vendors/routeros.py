"""RouterOS over netmiko: facts from its command line, the export in a channel of its own. Changes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from device_drivers.capabilities import BoardFacts, BootFacts, ConfigRead
from device_drivers.vendors import netmiko_line, routeros_parse
from device_drivers.vendors.reading import ReadOnlyNode

if TYPE_CHECKING:
    from device_drivers.registry import Shells
    from device_drivers.ssh import SshTarget


class RouterOs:
    """What is asked, over one open command line."""

    def __init__(self, line: netmiko_line.CommandLine) -> None:
        self._line = line

    def board(self) -> BoardFacts:
        """Model, version, serial, identity."""
        asked = (routeros_parse.RESOURCE, routeros_parse.ROUTERBOARD, routeros_parse.IDENTITY)
        resource, routerboard, identity = map(self._line.ask, asked)
        return routeros_parse.board_facts(self._line.node_id, resource, routerboard, identity)

    def boot(self) -> BootFacts:
        """Uptime and room."""
        return routeros_parse.boot_facts(self._line.node_id, self._line.ask(routeros_parse.RESOURCE))

    def read_config(self) -> ConfigRead:
        """`/export terse`; without terminal, because the terminal paints long lines anew (netmiko#3050)."""
        return routeros_parse.config_read(self._line.execute(routeros_parse.EXPORT))


@contextlib.contextmanager
def opened(target: SshTarget, shells: Shells, log: Callable[[str], None]) -> Iterator[ReadOnlyNode]:
    """The driver of MikroTik nodes."""
    with shells.place(target), netmiko_line.connect(target, "mikrotik_routeros", log) as line:
        yield ReadOnlyNode(target.node_id, "RouterOS", line.fingerprint, RouterOs(line))
