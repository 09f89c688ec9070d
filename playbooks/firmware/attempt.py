"""One node's way to the flash: looked at, checked, staged, tested, sent. Every step may be repeated after a crash."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import msgspec

from device_drivers.capabilities import BoardFacts, BootFacts, FlashOrder, LinuxNode, NeighbourSeen
from device_drivers.errors import DriverError, Refused
from device_drivers.known_hosts import HostKeyChanged, HostKeyRevoked
from local_store import firmware, rollouts
from local_store.rollout_rows import NodeRow
from mesh_mgmt.catalogue import Image, Running, fits, lacks_room
from mesh_mgmt.gates import Health
from mesh_mgmt.rollout_states import Event, State
from playbooks.firmware.books import FLASHED, UPLOADED, Books, Halted
from playbooks.firmware.planning import Limits
from playbooks.firmware.shelf import ImageRefused, image_of

PREPARING: Final = (State.PENDING, State.DEFERRED, State.PRECHECK, State.STAGING, State.STAGED)
Clock = Callable[[], int]


class Attempt:
    """Prepares and flashes nodes of one rollout with its limits."""

    def __init__(self, books: Books, limits: Limits, now_ms: Clock) -> None:
        self._books = books
        self._limits = limits
        self._now_ms = now_ms
        self._steps: Mapping[str, Callable[[LinuxNode, NodeRow], NodeRow]] = {
            State.PENDING: self._begin,
            State.DEFERRED: self._begin,
            State.PRECHECK: self._check,
            State.STAGING: self._stage,
            State.STAGED: self._test,
        }

    def prepare(self, row: NodeRow) -> None:
        """Bring a node as far as TESTED, or to where it rests; a driver's error ends this try."""
        try:
            with self._books.ports.open_node(row.node_id) as node:
                while row.state in self._steps:
                    self._books.may_go_on(row.rollout_id)
                    row = self._steps[row.state](node, row)
        except Halted:
            return
        except (HostKeyChanged, HostKeyRevoked) as error:
            self._other_identity(row, str(error.evidence))
        except ImageRefused as error:
            self._refuse(row, error.reason, str(error))
        except DriverError as error:
            self._broke(row, error)

    def flash(self, row: NodeRow) -> None:
        """Send the flash of a TESTED node, once the intent is on disk; what becomes of it only a probe tells."""
        try:
            with self._books.ports.open_node(row.node_id) as node:
                intended = self._intend(node, row)
                if intended is not None:
                    self._send(node, intended)
        except Halted:
            return
        except (HostKeyChanged, HostKeyRevoked) as error:
            self._other_identity(row, str(error.evidence))
        except ImageRefused as error:
            self._books.move(row, Event.IMAGE_REFUSED, self._now_ms(), reason=error.reason, detail=str(error))
        except DriverError as error:
            self._broke(row, error)

    def _begin(self, node: LinuxNode, row: NodeRow) -> NodeRow:
        board, boot = node.board(), node.boot()
        if self._came_late(node, row, board, boot):
            return self._late(row)
        return self._books.move(
            row,
            Event.BEGIN,
            self._now_ms(),
            tries=row.tries + 1,
            reason="",
            detail="",
            host_key=row.host_key or node.identity(),
            serial=row.serial or board.serial,
            baseline=encode_health(node.neighbours()),
            **_runs(board, boot),
        )

    def _check(self, node: LinuxNode, row: NodeRow) -> NodeRow:
        board, boot, now_ms = node.board(), node.boot(), self._now_ms()
        shown = (node.identity(), board.board_name, board.serial or row.serial)
        if shown != (row.host_key, row.board_name, row.serial or board.serial):
            return self._other_identity(row, " ".join(shown))
        if self._came_late(node, row, board, boot):
            return self._late(row)
        image = self._image(row)
        why = fits(image, Running(board.board_name, board.version, board.revision), now_ms)
        if why == "already_there":
            return self._books.move(row, Event.ALREADY_THERE, now_ms, reason=why)
        if why is None and self._path_of_staged(node, row) is None:
            why = "too_little_memory" if lacks_room(image, boot.mem_available_bytes, boot.tmp_free_bytes) else None
        if why is not None:
            told = f"{boot.mem_available_bytes} and {boot.tmp_free_bytes} bytes free, image {image.size}"
            return self._refuse(row, why, told if why == "too_little_memory" else board.version)
        baseline = encode_health(node.neighbours())
        return self._books.move(row, Event.CHECKED, now_ms, baseline=baseline, **_runs(board, boot))

    def _came_late(self, node: LinuxNode, row: NodeRow, board: BoardFacts, boot: BootFacts) -> bool:
        """Whether a flash of ours a probe found no trace of came after all, as one of a killed engine's may."""
        if not row.deliveries or boot.boot_id == row.boot_id_before:
            return False
        image = self._image(row)
        return (node.identity(), board.board_name, board.version, board.revision) == (
            row.host_key,
            row.board_name,
            image.version,
            image.revision,
        )

    def _late(self, row: NodeRow) -> NodeRow:
        """What it was before the flash stays as it was written down; what it runs now has to be proven as ever."""
        now_ms = self._now_ms()
        deadline_ms = now_ms + self._arrival_ms
        return self._books.move(row, Event.NEW_BOOT_NEW_VERSION, now_ms, deadline_ms=deadline_ms, reason="", detail="")

    @property
    def _arrival_ms(self) -> int:
        """How long a node may take from the flash to its new boot."""
        return 1000 * (self._limits.flash_s + self._limits.margin_s)

    def _stage(self, node: LinuxNode, row: NodeRow) -> NodeRow:
        image = self._image(row)
        with self._books.ports.open_image(row.image_sha256, self._now_ms()) as source:
            keep = self._books.store.read(lambda cx: rollouts.operations_of(cx, row.node_id))
            node.sweep(keep)
            if self._path_of_staged(node, row) is None:
                node.stage(source, image.size, image.sha256, row.op_id)
                self._books.reached(UPLOADED)
        path = self._path_of_staged(node, row)
        if path is None:
            if row.tries >= self._limits.max_tries:
                return self._refuse(row, "staged_differs", "the node's own hash is not the image's")
            return self._books.move(row, Event.UPLOAD_BROKE, self._now_ms(), tries=row.tries + 1)
        return self._books.move(row, Event.UPLOADED, self._now_ms(), path=path)

    def _test(self, node: LinuxNode, row: NodeRow) -> NodeRow:
        if node.boot().boot_id != row.boot_id_before:
            return self._books.move(row, Event.REBOOTED_BEFORE_COMMIT, self._now_ms(), path="")
        verdict = node.test_image(row.path)
        if not verdict.valid:
            wrong = ", ".join(sorted(name for name, good in verdict.tests.items() if not good))
            told = wrong or verdict.raw[:200]
            return self._books.move(
                row, Event.IMAGE_REFUSED, self._now_ms(), reason="image_test", detail=told, proof={"test": verdict.raw}
            )
        return self._books.move(row, Event.IMAGE_ACCEPTED, self._now_ms())

    def _intend(self, node: LinuxNode, row: NodeRow) -> NodeRow | None:
        """Look once more at everything the flash stands on, then write the intent; None when the node went back."""
        board, boot, now_ms = node.board(), node.boot(), self._now_ms()
        if (node.identity(), board.board_name) != (row.host_key, row.board_name):
            self._other_identity(row, f"{node.identity()} {board.board_name}")
            return None
        if boot.boot_id != row.boot_id_before:
            self._books.move(row, Event.REBOOTED_BEFORE_COMMIT, now_ms, path="")
            return None
        staged = node.staged(row.op_id)
        if staged is None or staged[1] != row.image_sha256:
            told = "gone" if staged is None else f"its sha256 is {staged[1]}"
            self._books.move(row, Event.IMAGE_REFUSED, now_ms, reason="staged_differs", detail=told)
            return None
        with self._books.ports.open_image(row.image_sha256, now_ms):
            pass  # expired, revoked or tampered since it was staged: refused here
        deadline_ms = now_ms + self._arrival_ms
        return self._books.move(
            row,
            Event.INTENT_WRITTEN,
            now_ms,
            deliveries=row.deliveries + 1,
            deadline_ms=deadline_ms,
            epoch=self._books.epoch,
        )

    def _send(self, node: LinuxNode, row: NodeRow) -> None:
        order = FlashOrder(row.op_id, row.path, row.image_sha256, row.boot_id_before, row.revision_before)
        self._books.sends[row.op_id] += 1
        try:
            outcome = node.flash(order)
        except DriverError as error:
            self._books.note(row, detail=str(error)[:300])
            return
        finally:
            self._books.reached(FLASHED)
        if outcome == "sent":
            self._books.move(row, Event.WENT_SILENT, self._now_ms())
        elif outcome == "refused":
            self._books.move(row, Event.IMAGE_REFUSED, self._now_ms(), reason="flash_refused", detail=_log(node, row))
        else:
            self._books.note(row, detail=outcome)

    def _path_of_staged(self, node: LinuxNode, row: NodeRow) -> str | None:
        """Where the whole, right image lies on the node already."""
        staged = node.staged(row.op_id)
        return staged[0] if staged is not None and staged[1] == row.image_sha256 else None

    def _image(self, row: NodeRow) -> Image:
        found = self._books.store.read(lambda cx: firmware.image(cx, row.image_sha256))
        if found is None:
            raise ImageRefused(row.image_sha256, "missing", "it is not in the catalogue")
        return image_of(found)

    def _refuse(self, row: NodeRow, reason: str, detail: str) -> NodeRow:
        if row.state in {State.PRECHECK, State.STAGING}:
            return self._books.move(row, Event.CHECK_FAILED, self._now_ms(), reason=reason, detail=detail[:300])
        return self._books.move(row, Event.IMAGE_REFUSED, self._now_ms(), reason=reason, detail=detail[:300])

    def _other_identity(self, row: NodeRow, seen: str) -> NodeRow:
        return self._books.move(
            row, Event.OTHER_IDENTITY, self._now_ms(), reason="identity_mismatch", detail=f"shows {seen}"
        )

    def _broke(self, row: NodeRow, error: DriverError) -> None:
        """A driver's error before the intent: an upload is tried again from the check, the rest waits its turn."""
        now_ms = self._now_ms()
        told: dict[str, Any] = {"reason": type(error).__name__.lower(), "detail": error.evidence[:300]}
        retry_ms = now_ms + 1000 * self._limits.retry_s * max(1, row.tries)
        if row.state == State.STAGING and isinstance(error, Refused):
            self._refuse(row, "no_room", error.evidence)
        elif row.state == State.STAGING and row.tries < self._limits.max_tries:
            self._books.move(row, Event.UPLOAD_BROKE, now_ms, tries=row.tries + 1, retry_ms=retry_ms, **told)
        elif row.state in {State.COMMIT_INTENT, State.DARK}:
            self._books.note(row, **told)
        else:
            tries = row.tries + (row.state in {State.PENDING, State.DEFERRED})
            self._books.move(row, Event.OFFLINE, now_ms, tries=tries, retry_ms=retry_ms, **told)


def _log(node: LinuxNode, row: NodeRow) -> str:
    """What the flash script wrote down, as far as the node still tells."""
    try:
        return node.fence(row.op_id).log[:300]
    except DriverError as error:
        return error.evidence[:300]


def _runs(board: BoardFacts, boot: BootFacts) -> dict[str, Any]:
    """What the node runs before: durable before anything is done to it."""
    return {
        "version_before": board.version,
        "revision_before": board.revision,
        "boot_id_before": boot.boot_id,
        "bank_before": boot.bank,
    }


def health_of(seen: Sequence[NeighbourSeen]) -> Health:
    """Neighbours and mean signal per band."""
    bands: list[str] = sorted({one.band for one in seen})
    far = {band: {one.remote_mac or one.remote_name for one in seen if one.band == band} for band in bands}
    signals = {band: [one.signal_dbm for one in seen if one.band == band and one.signal_dbm is not None]
               for band in bands}  # fmt: skip
    means = {band: sum(values) / len(values) for band, values in signals.items() if values}
    return Health({band: len(names) for band, names in far.items()}, means)


def encode_health(seen: Sequence[NeighbourSeen]) -> str:
    """The baseline as it is stored."""
    return json.dumps(asdict(health_of(seen)))


def decode_health(text: str) -> Health:
    """The baseline back; an empty one asks for nothing."""
    return msgspec.json.decode(text.encode(), type=Health)
