"""The rows of firmware images and rollouts, as frozen data. No SQL, no rules."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image as the signed catalogue described it (table `firmware_image`). `boards`, `signed_by`: JSON lists."""

    sha256: str
    version: str
    revision: str
    boards: str
    compat_version: str
    min_version: str
    size: int
    name: str
    signed_by: str
    expires_ms: int
    added_ms: int


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """One rollout. `plan` is canonical JSON and never changes; `pause_detail` is encoded JSON."""

    rollout_id: str
    state: str
    version: str
    plan: str
    plan_hash: str
    topology_hash: str
    actor: str
    created_ms: int
    started_ms: int | None = None
    finished_ms: int | None = None
    pause_reason: str = ""
    pause_detail: str = "{}"
    paused_ms: int | None = None
    rollback_of: str = ""


@dataclass(frozen=True, slots=True)
class Approval:
    """Who agreed to what of a rollout."""

    rollout_id: str
    actor: str
    what: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class WaveRow:
    """One wave of a rollout, counted from 1. `accepted` are failures a person agreed to live with."""

    rollout_id: str
    wave: int
    name: str
    state: str = "waiting"
    batch: int = 0
    started_ms: int | None = None
    soak_until_ms: int | None = None
    accepted: int = 0


@dataclass(frozen=True, slots=True)
class GateRow:
    """What a gate saw and decided. `checks` is encoded JSON."""

    rollout_id: str
    wave: int
    at_ms: int
    kind: str
    passed: int
    checks: str


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One node's upgrade within a rollout; `state` is a State of mesh_mgmt.rollout_states."""

    rollout_id: str
    node_id: str
    op_id: str
    wave: int
    state: str
    since_ms: int
    board_name: str
    model: str
    uplink: str
    image_sha256: str
    batch: int = 0
    host_key: str = ""
    serial: str = ""
    version_before: str = ""
    revision_before: str = ""
    boot_id_before: str = ""
    bank_before: str = ""
    baseline: str = "{}"
    path: str = ""
    tries: int = 0
    retry_ms: int = 0
    deliveries: int = 0
    deadline_ms: int = 0
    soak_until_ms: int = 0
    epoch: int = 0
    boot_id_after: str = ""
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One move of one node, for the run view and the report."""

    rollout_id: str
    node_id: str
    at_ms: int
    before: str
    event: str
    after: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One signed link of a rollout's chain. `body` is canonical JSON."""

    rollout_id: str
    seq: int
    node_id: str
    at_ms: int
    body: str
    prev: bytes
    hash: bytes
    signature: bytes
