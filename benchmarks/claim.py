"""One measured claim: its figure, its target, the peer it was measured against in the same run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """`holds` is None when it could not be measured; `peer` then names what was missing.

    `ratio` is ours over the peer's in the same run where both were measured.
    """

    claim: str
    value: float | None
    unit: str
    target: str
    peer: str
    ratio: float | None
    holds: bool | None

    def as_json(self) -> str:
        """The claim as one line."""
        return json.dumps(asdict(self), ensure_ascii=False)


def main(run: Callable[[bool], list[Claim]]) -> None:
    """Run one benchmark file from the command line and print one JSON line per claim."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="smaller sizes, for a first look")
    for claim in run(parser.parse_args().quick):
        print(claim.as_json(), flush=True)
