"""The exact shell text behind confirm-or-revert on an OpenWrt-like node, for busybox ash. Pure.

The first line of each script is a no-op that names the operation and its arguments; the simulated node obeys it.
What decides is one file on flash: whoever renames `pending` first has confirmed or reverted. The way back needs no
lock, no clock and no memory of a process, so a lost power supply at any moment leaves either the old or a kept
configuration.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BUSY, NOT_STAGED, CHANGED, ENDED, NO_ROOM, BAD_STAGE, UNCOMMITTED = 80, 81, 82, 83, 84, 85, 86
"""Exit statuses of our own; neither a shell nor uci gives them."""
END_MARK: Final = "# leitstand: end of configuration"
BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
_OP_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PACKAGE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Places:
    """Directories on the node: `etc` is kept over a reboot, `ram` is not."""

    etc: str = "/etc"
    ram: str = "/tmp/leitstand"  # noqa: S108 - on the node, where it ends with the boot

    @property
    def flash(self) -> str:
        """What of ours survives a reboot."""
        return f"{self.etc}/leitstand"

    def stage(self, op_id: str) -> str:
        """Where the changes of one operation are prepared."""
        return f"{self.ram}/{_checked(op_id)}/config"


HERE: Final = Places()


def read(at: Places = HERE) -> str:
    """All packages as they lie in their files; the last line shows that none is missing.

    Not `uci export`: it mixes in what others have staged in /tmp/.uci and not committed, which does not run.
    """
    return _script(
        "config-read",
        f"cd {_q(f'{at.etc}/config')} || exit 1",
        "for f in *; do",
        '  case "$f" in *[!A-Za-z0-9_-]*) continue;; esac',
        '  [ -f "$f" ] || continue',
        '  echo "package $f"; cat "$f" || exit 1; echo',
        "done",
        f"echo {_q(END_MARK)}",
    )


def stage(op_id: str, packages: Sequence[str], at: Places = HERE) -> str:
    """Apply the commands on standard input to a copy and print what uci says they change.

    `uci batch` ends with 0 whatever it could not do: only the printed changes tell.
    """
    there = at.stage(op_id)
    names = " ".join(_package(name) for name in packages)
    return _script(
        f"config-stage {op_id} {names}".rstrip(),
        f"e={_q(at.etc)} s={_q(there)} flash={_q(at.flash)}",
        f'if [ -f "$flash/pending" ] || [ -f "$flash/reverting" ]; then exit {BUSY}; fi',
        'umask 077; rm -rf "$s"; mkdir -p "$s/delta" || exit 1',
        f'cp -pR "$e/config" "$s/config" || exit {NO_ROOM}',
        f'for p in {names}; do [ -e "$s/config/$p" ] || : > "$s/config/$p"; done' if names else ":",
        f'{_base("$e")} > "$s/base"',
        '_uci() { uci -c "$s/config" -t "$s/delta" "$@"; }',
        # Staged by others in /tmp/.uci, these would be committed beside ours.
        f'[ -z "$(_uci changes)" ] || exit {UNCOMMITTED}',
        "_uci batch >&2",
        '_uci changes > "$s/changes"; cat "$s/changes"',
    )


def apply(op_id: str, revert_after_s: int, at: Places = HERE) -> str:
    """Arm the way back on flash, then put the staged configuration in place and reload it a second later."""
    there = at.stage(op_id)
    return _script(
        f"config-apply {op_id} {int(revert_after_s)}",
        f"op={_q(op_id)} e={_q(at.etc)} s={_q(there)} flash={_q(at.flash)}",
        'now=; if [ -f "$flash/pending" ]; then read -r now rest < "$flash/pending"; fi',
        'if [ "$now" = "$op" ]; then exit 0; fi',
        f'if [ -n "$now" ] || [ -f "$flash/reverting" ]; then exit {BUSY}; fi',
        f'[ -f "$s/base" ] || exit {NOT_STAGED}',
        f'[ "$( {_base("$e")} )" = "$(cat "$s/base")" ] || exit {CHANGED}',
        f'[ "$(uci -c "$s/config" -t "$s/delta" changes)" = "$(cat "$s/changes")" ] || exit {CHANGED}',
        f'uci -c "$s/config" -t "$s/delta" commit || exit {BAD_STAGE}',
        *_arm(revert_after_s, at),
        *_put("$s/config", "$e/config"),
        f'if [ -n "$bad" ]; then "$flash/guard" now; exit {NO_ROOM}; fi',
        "sync",
        '( trap \'\' HUP; while [ -f "$flash/pending" ]; do sleep 5; "$flash/guard" tick; done )'
        " < /dev/null > /dev/null 2>&1 &",
        _reload(),
        "exit 0",
    )


def confirm(op_id: str, at: Places = HERE) -> str:
    """Keep what was applied; a second confirmation finds the first one."""
    return _script(
        f"config-confirm {_checked(op_id)}",
        f"op={_q(op_id)} e={_q(at.etc)} flash={_q(at.flash)}",
        'if [ -f "$flash/confirmed-$op" ]; then exit 0; fi',
        'now=; if [ -f "$flash/pending" ]; then read -r now rest < "$flash/pending"; fi',
        f'[ "$now" = "$op" ] || exit {ENDED}',
        f'mv "$flash/pending" "$flash/confirmed-$op" 2>/dev/null || exit {ENDED}',
        "sync",
        *_disarm(),
        f'rm -rf "$flash/prev-$op" {_q(at.stage(op_id))}',
        "sync; exit 0",
    )


def revert(op_id: str, at: Places = HERE) -> str:
    """Go back now where this operation is the pending one, else drop what it staged."""
    return _script(
        f"config-revert {_checked(op_id)}",
        f"op={_q(op_id)} flash={_q(at.flash)}",
        f"rm -rf {_q(at.stage(op_id))}",
        'now=; if [ -f "$flash/pending" ]; then read -r now rest < "$flash/pending"; fi',
        'if [ "$now" = "$op" ]; then exec "$flash/guard" now; fi',
        f'if [ -f "$flash/confirmed-$op" ]; then exit {ENDED}; fi',
        "exit 0",
    )


def pending(at: Places = HERE) -> str:
    """The operation that waits for its confirmation or is just going back; nothing where there is none."""
    return _script(
        "config-pending",
        f"flash={_q(at.flash)}",
        'for f in "$flash/pending" "$flash/reverting"; do',
        '  if [ -f "$f" ]; then read -r now rest < "$f" && echo "$now"; exit 0; fi',
        "done",
        "exit 0",
    )


def guard(at: Places = HERE) -> str:
    """The dead-man's switch as it lies on flash: `boot` and `now` go back, `tick` only when the time is over.

    `boot` runs before the network starts (S15, network is S20): a reboot inside the window undoes the change.
    """
    return "\n".join(
        (
            "#!/bin/sh",
            "# Leitstand: undoes a change of the configuration that nobody confirmed in time.",
            f"e={_q(at.etc)} flash={_q(at.flash)}",
            'if [ ! -f "$flash/reverting" ]; then',
            '  [ -f "$flash/pending" ] || exit 0',
            '  read -r op boot until < "$flash/pending"',
            f'  if [ "$1" = tick ] && [ "$boot" = "$(cat {BOOT_ID})" ] &&',
            '    [ "$(cut -d . -f 1 /proc/uptime)" -lt "$until" ]; then exit 0; fi',
            '  mv "$flash/pending" "$flash/reverting" 2>/dev/null || exit 0',
            "fi",
            'read -r op boot until < "$flash/reverting" || exit 1',
            'if [ -d "$flash/prev-$op" ]; then',
            *(f"  {line}" for line in _put("$flash/prev-$op", "$e/config")),
            # Stays `reverting`: the next tick or boot goes on.
            '  if [ -n "$bad" ]; then exit 1; fi',
            "fi",
            "sync",
            *_disarm(),
            'mv "$flash/reverting" "$flash/reverted-$op"',
            'rm -rf "$flash/prev-$op"; sync',
            'if [ "$1" = boot ]; then exit 0; fi',
            _reload(),
            "exit 0",
            "",
        )
    )


def _arm(revert_after_s: int, at: Places) -> tuple[str, ...]:
    """Copy, guard, boot script, periodic check; the hard link makes `pending` whole and at most one."""
    return (
        "umask 077",
        'mkdir -p "$flash" "$e/rc.d" "$e/crontabs"',
        'rm -rf "$flash"/prev-* "$flash"/confirmed-* "$flash"/reverted-* "$flash"/arm-*',
        f'cp -pR "$e/config" "$flash/prev-$op" || {{ rm -rf "$flash/prev-$op"; exit {NO_ROOM}; }}',
        f"cat > \"$flash/guard\" <<'LEITSTAND' || exit {NO_ROOM}\n{guard(at)}LEITSTAND",
        'chmod 755 "$flash/guard"',
        'ln -sf ../leitstand/guard "$e/rc.d/S15leitstand-guard"',
        "sed -i '/leitstand\\/guard/d' \"$e/crontabs/root\" 2>/dev/null",
        'echo "* * * * * $flash/guard tick" >> "$e/crontabs/root"',
        _cron(),
        f"until=$(( $(cut -d . -f 1 /proc/uptime) + {int(revert_after_s)} ))",
        f'echo "$op $(cat {BOOT_ID}) $until" > "$flash/arm-$op" || exit {NO_ROOM}',
        f'sync; ln "$flash/arm-$op" "$flash/pending" || exit {BUSY}',
        'rm -f "$flash/arm-$op"; sync',
    )


def _disarm() -> tuple[str, ...]:
    return (
        'rm -f "$e/rc.d/S15leitstand-guard"',
        "sed -i '/leitstand\\/guard/d' \"$e/crontabs/root\" 2>/dev/null",
        _cron(),
    )


def _put(source: str, target: str) -> tuple[str, ...]:
    """Make the files of one directory those of another, each in one step; `bad` is set when one could not be."""
    return (
        "bad=",
        f'for f in "{target}"/*; do [ -e "{source}/${{f##*/}}" ] || rm -f "$f"; done',
        f'for f in "{source}"/*; do',
        f'  if ! cmp -s "$f" "{target}/${{f##*/}}"; then',
        f'    cp -p "$f" "{target}/.leitstand" && mv "{target}/.leitstand" "{target}/${{f##*/}}" || bad=1',
        "  fi",
        "done",
        f'rm -f "{target}/.leitstand"',
    )


def _reload() -> str:
    """A second later and outside of the session, which may lose its connection by it."""
    return (
        "if command -v reload_config > /dev/null; then"
        " ( trap '' HUP; sleep 1; reload_config ) < /dev/null > /dev/null 2>&1 & fi"
    )


def _cron() -> str:
    """crond reads a changed table by itself only once a minute, and OpenWrt's runs only while there is one."""
    return 'if [ -x "$e/init.d/cron" ]; then "$e/init.d/cron" restart > /dev/null 2>&1; fi'


def _base(etc: str) -> str:
    return f'(cd "{etc}/config" && sha256sum -- * 2>/dev/null | sha256sum)'


def _script(tag: str, *lines: str) -> str:
    return "\n".join((f": leitstand {tag}", *lines)) + "\n"


def _q(text: str) -> str:
    return shlex.quote(text)


def _checked(op_id: str) -> str:
    if not _OP_ID.fullmatch(op_id):
        raise ValueError(f"an operation id is made of letters, digits, - and _, not {op_id!r}")
    return op_id


def _package(name: str) -> str:
    if not _PACKAGE.fullmatch(name):
        raise ValueError(f"a uci package has a plain name, not {name!r}")
    return name
