"""The configuration of one OpenWrt-like node: read whole, staged beside, applied with the way back armed first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from device_drivers import openwrt_config_scripts as scripts
from device_drivers.capabilities import ConfigRead, Ran, RunsCommands
from device_drivers.errors import Garbled, Refused, Stale, Unreachable, Unsupported

READ_S: Final = 60.0
"""A small node prints a large firewall in a few seconds; a busy one takes longer."""
_REFUSALS: Final = {
    scripts.BUSY: "another change of its configuration waits for confirmation or is going back",
    scripts.NO_ROOM: "no room for the copy that would bring it back, nothing was changed",
    scripts.UNCOMMITTED: "somebody staged changes there without committing them: see `uci changes` on the node",
    scripts.BAD_STAGE: "uci could not commit what was staged, nothing was changed",
}
_STALE: Final = {
    scripts.NOT_STAGED: "nothing is staged for this operation: it has restarted since, or was cleared",
    scripts.CHANGED: "its configuration was changed by somebody else after it was read",
    scripts.ENDED: "this operation waits no more: it went back by itself or was never applied",
}


class OpenWrtConfiguration:
    """`capabilities.TakesConfiguration` on one shell."""

    def __init__(self, shell: RunsCommands, node_id: str, places: scripts.Places = scripts.HERE) -> None:
        self._shell = shell
        self._node_id = node_id
        self._places = places

    def read_config(self) -> ConfigRead:
        """The whole running configuration; not complete when the mark at its end is missing."""
        ran = self._run(scripts.read(self._places), timeout_s=READ_S)
        text = ran.stdout.decode("utf-8", "replace")
        body, mark, rest = text.rpartition(scripts.END_MARK)
        whole = bool(mark) and not rest.strip() and ran.exit_status == 0
        if not whole and ran.exit_status not in (0, None):
            raise Unsupported(self._node_id, f"uci did not print its configuration: {_words(ran)}")
        return ConfigRead(body if mark else text, whole)

    def stage_config(self, op_id: str, commands: Sequence[str]) -> Sequence[str]:
        """Stage uci commands beside the running configuration and return what uci says they change."""
        for command in commands:
            if "\n" in command or "\0" in command:
                raise Refused(self._node_id, "a value with a line break cannot be set through uci")
        packages = sorted({name for command in commands if (name := _package(command))})
        text = "".join(f"{command}\n" for command in commands).encode()
        ran = self._run(scripts.stage(op_id, packages, self._places), stdin=text, timeout_s=READ_S)
        if ran.exit_status != 0:
            self._refuse(ran, "staging")
        return ran.stdout.decode("utf-8", "replace").splitlines()

    def apply_config(self, op_id: str, revert_after_s: int) -> None:
        """Apply what was staged. Unreachable when the connection ended in between: only a probe tells then."""
        self._expect(scripts.apply(op_id, revert_after_s, self._places), "applying")

    def confirm_config(self, op_id: str) -> None:
        """Keep what was applied. Stale when the node has gone back already."""
        self._expect(scripts.confirm(op_id, self._places), "confirming")

    def revert_config(self, op_id: str) -> None:
        """Go back now, or drop what was only staged. Stale when it was confirmed."""
        self._expect(scripts.revert(op_id, self._places), "going back")

    def pending_config(self) -> str | None:
        """The operation that waits for its confirmation."""
        return (
            self._expect(scripts.pending(self._places), "asking what waits").decode("ascii", "replace").strip() or None
        )

    def _expect(self, script: str, what: str) -> bytes:
        ran = self._run(script, timeout_s=READ_S)
        if ran.exit_status != 0:
            self._refuse(ran, what)
        return ran.stdout

    def _run(self, script: str, *, stdin: bytes = b"", timeout_s: float) -> Ran:
        return self._shell.run(script, stdin=stdin, timeout_s=timeout_s)

    def _refuse(self, ran: Ran, what: str) -> NoReturn:
        if ran.exit_status is None:
            raise Unreachable(self._node_id, f"the connection ended while {what} its configuration")
        if ran.exit_status in _STALE:
            raise Stale(self._node_id, _STALE[ran.exit_status])
        if ran.exit_status in _REFUSALS:
            raise Refused(self._node_id, _REFUSALS[ran.exit_status])
        raise Garbled(self._node_id, f"{what} its configuration ended with {ran.exit_status}: {_words(ran)}")


def _package(command: str) -> str:
    """The package a uci command names: `set network.lan.proto='static'` -> network."""
    words = command.split(None, 1)
    return words[1].partition(".")[0].partition(" ")[0].strip() if len(words) == 2 else ""


def _words(ran: Ran) -> str:
    return ran.stderr.decode("utf-8", "replace").strip()[:300] or "nothing said"
