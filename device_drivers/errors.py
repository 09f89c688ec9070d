"""The five ways a device can fail us. Every driver turns every library exception into one of these at its edge."""

from __future__ import annotations


class DriverError(Exception):
    """A device did not do what was asked; `device` names it, `evidence` is the last thing seen of it."""

    word = "failed"

    def __init__(self, device: str, evidence: str) -> None:
        super().__init__(f"{device}: {self.word}: {evidence}")
        self.device = device
        self.evidence = evidence


class Unreachable(DriverError):
    """No answer within the time and retries allowed, or the network said no."""

    word = "unreachable"


class Refused(DriverError):
    """The device answered and said no: wrong key, no access, a limit."""

    word = "refused"


class Garbled(DriverError):
    """The answer broke its protocol; the bytes are in the evidence as far as they are safe to show."""

    word = "garbled"


class Unsupported(DriverError):
    """The device lacks the capability, object or algorithm asked for."""

    word = "unsupported"


class Stale(DriverError):
    """The answer is about a state that is gone: outside the time window, another boot, an old generation."""

    word = "stale"
