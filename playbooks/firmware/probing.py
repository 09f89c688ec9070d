"""What became of a node after the flash: only a probe tells, silence has a deadline, and success has to be proven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from device_drivers.capabilities import BoardFacts, BootFacts, FenceFacts, NeighbourSeen
from device_drivers.errors import DriverError
from device_drivers.known_hosts import HostKeyChanged, HostKeyRevoked
from local_store import firmware
from local_store.rollout_rows import NodeRow
from mesh_mgmt.gates import Check, health, passed
from mesh_mgmt.rollout_states import UNDECIDED, Event, Probe, Sent, State, judge
from playbooks.firmware.attempt import decode_health, health_of
from playbooks.firmware.books import Books
from playbooks.firmware.planning import Limits

GRACE_SHARE = 2


@dataclass(frozen=True, slots=True)
class Look:
    """Everything one look at a node brought."""

    host_key: str
    board: BoardFacts
    boot: BootFacts
    fence: FenceFacts
    neighbours: tuple[NeighbourSeen, ...]


class Probing:
    """Follows nodes of one rollout from the flash to the proof. `path_up` says whether all a node hangs on is up."""

    def __init__(self, books: Books, limits: Limits, now_ms: Callable[[], int], path_up: Callable[[str], bool]) -> None:
        self._books = books
        self._limits = limits
        self._now_ms = now_ms
        self._path_up = path_up

    def look(self, row: NodeRow) -> bool:
        """Look once and write what it means; returns whether the node answered."""
        try:
            seen = self._see(row)
        except (HostKeyChanged, HostKeyRevoked) as error:
            self._books.move(row, Event.OTHER_IDENTITY, self._now_ms(), reason="identity_mismatch",
                             detail=error.evidence[:300])  # fmt: skip
            return True
        if row.state in UNDECIDED:
            self._decide(row, seen)
        elif row.state == State.BOOTED and seen is not None:
            self._start_soak(row, seen)
        elif seen is None:
            self._silent(row)
        else:
            self._prove(row, seen)
        return seen is not None

    def _see(self, row: NodeRow) -> Look | None:
        """Raises HostKeyChanged or HostKeyRevoked; every other failure is silence, since nothing was learned."""
        try:
            with self._books.ports.open_node(row.node_id) as node:
                return Look(node.identity(), node.board(), node.boot(), node.fence(row.op_id), tuple(node.neighbours()))
        except (HostKeyChanged, HostKeyRevoked):
            raise
        except DriverError:
            return None

    def _target(self, row: NodeRow) -> str:
        found = self._books.store.read(lambda cx: firmware.image(cx, row.image_sha256))
        return "" if found is None else _runs(found.version, found.revision)

    def _decide(self, row: NodeRow, seen: Look | None) -> None:
        now_ms = self._now_ms()
        sent = Sent(
            row.host_key,
            row.board_name,
            row.boot_id_before,
            _runs(row.version_before, row.revision_before),
            self._target(row),
            row.deadline_ms,
            self._books.sends[row.op_id],  # an engine that died on the way to the node says nothing against the node
        )
        probe = None if seen is None else _probe(seen)
        late = now_ms >= row.deadline_ms and row.state != State.LOST
        up = not late or seen is not None or self._path_up(row.node_id)
        event = judge(sent, probe, now_ms, up)
        if late and not up:
            self._extend(row, now_ms)
        elif event is not None and (row.state, event) != (State.LOST, Event.DEADLINE_PASSED):
            self._books.move(row, event, now_ms, **_reason(event, seen))

    def _extend(self, row: NodeRow, now_ms: int) -> None:
        """What the node hangs on is down: its silence says nothing, so its clock stands still."""
        grace_ms = 1000 * self._limits.flash_s // GRACE_SHARE
        self._books.note(row, deadline_ms=now_ms + grace_ms, reason="path_down")

    def _start_soak(self, row: NodeRow, seen: Look) -> None:
        now_ms = self._now_ms()
        event = self._gone_wrong(row, seen)
        if event is not None:
            self._books.move(row, event, now_ms, **_reason(event, seen))
            return
        until_ms = now_ms + 1000 * self._limits.soak_s
        deadline_ms = until_ms + 1000 * self._limits.prove_s
        self._books.move(row, Event.SOAKING, now_ms, boot_id_after=seen.boot.boot_id, soak_until_ms=until_ms,
                         deadline_ms=deadline_ms, reason="", detail="")  # fmt: skip

    def _silent(self, row: NodeRow) -> None:
        now_ms = self._now_ms()
        if now_ms < row.deadline_ms:
            return
        if self._path_up(row.node_id):
            self._books.move(row, Event.DEADLINE_PASSED, now_ms, **_reason(Event.DEADLINE_PASSED, None))
        else:
            self._extend(row, now_ms)

    def _gone_wrong(self, row: NodeRow, seen: Look) -> Event | None:
        if (seen.host_key, seen.board.board_name) != (row.host_key, row.board_name):
            return Event.OTHER_IDENTITY
        if _runs(seen.board.version, seen.board.revision) != self._target(row):
            fell_back = seen.boot.fell_back and row.state == State.PROVING
            return Event.BANK_FELL_BACK if fell_back else Event.NEW_BOOT_OLD_VERSION
        return None

    def _prove(self, row: NodeRow, seen: Look) -> None:
        """Same boot through the whole soak, then neighbours and signal against the baseline."""
        now_ms = self._now_ms()
        event = self._gone_wrong(row, seen)
        checks = health(decode_health(row.baseline), health_of(seen.neighbours))
        if event is not None:
            self._books.move(row, event, now_ms, proof=_proof(seen, checks), **_reason(event, seen))
        elif seen.boot.boot_id != row.boot_id_after:
            checks.append(Check("boot", ok=False, seen=seen.boot.boot_id, wanted=row.boot_id_after))
            self._books.move(row, Event.UNDER_BASELINE, now_ms, proof=_proof(seen, checks), reason="rebooted_in_soak")
        elif now_ms >= row.soak_until_ms and passed(checks):
            self._books.move(row, Event.PROVEN, now_ms, proof=_proof(seen, checks), reason="")
        elif now_ms >= row.deadline_ms:
            wrong = "; ".join(f"{check.what}: {check.seen}, {check.wanted}" for check in checks if not check.ok)
            self._books.move(row, Event.UNDER_BASELINE, now_ms, proof=_proof(seen, checks),
                             reason="under_baseline", detail=wrong)  # fmt: skip


def _runs(version: str, revision: str) -> str:
    """Version and revision together are what has to be proven."""
    return f"{version} {revision}"


def _probe(seen: Look) -> Probe:
    return Probe(
        seen.host_key,
        seen.board.board_name,
        seen.boot.boot_id,
        _runs(seen.board.version, seen.board.revision),
        seen.fence.held,
        seen.fence.refused,
        seen.boot.fell_back,
    )


def _reason(event: Event, seen: Look | None) -> dict[str, Any]:
    """The code and the words a row rests with."""
    log = "" if seen is None else seen.fence.log[:300]
    told: dict[Event, tuple[str, str]] = {
        Event.DEADLINE_PASSED: ("silent" if seen is None else "still_flashing", log),
        Event.IMAGE_REFUSED: ("flash_refused" if seen is not None and seen.fence.refused else "not_delivered", log),
        Event.NEW_BOOT_OLD_VERSION: ("old_version", "" if seen is None else seen.board.version),
        Event.BANK_FELL_BACK: ("fell_back", "" if seen is None else seen.boot.bank),
        Event.OTHER_IDENTITY: ("identity_mismatch", "" if seen is None else f"shows {seen.host_key}"),
    }
    reason, detail = told.get(event, ("", ""))
    return {"reason": reason, "detail": detail}


def _proof(seen: Look, checks: list[Check]) -> dict[str, object]:
    """What the node itself said, for the evidence."""
    return {
        "after": {
            "version": seen.board.version,
            "revision": seen.board.revision,
            "boot_id": seen.boot.boot_id,
            "uptime_s": seen.boot.uptime_s,
            "bank": seen.boot.bank,
            "health": asdict(health_of(seen.neighbours)),
        },
        "checks": [asdict(check) for check in checks],
        "system_board": seen.board.raw,
    }
