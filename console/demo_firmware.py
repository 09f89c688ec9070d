"""The demo's firmware catalogue: two people's keys, the simulated images, signed and trusted as a city would do it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

PEOPLE: Final = ("anna", "bert")
ONLINE: Final = "online"
RENEW_BEFORE_MS: Final = 7 * 86_400_000


def prepare(releases: Path, keys: Path, store: Path, now_ms: int) -> None:
    """Make the catalogue once; later demos sign the same list again before it expires."""
    from playbooks.firmware import signing, trust

    home = store / "firmware"
    catalogue = home / "catalogue"
    if (home / trust.ANCHOR).exists():
        _renew(home, catalogue, keys, now_ms)
        return
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    public = {name: signing.new_key(keys / f"{name}.key", name, None) for name in (*PEOPLE, ONLINE)}
    people, online = [public[name] for name in PEOPLE], [public[ONLINE]]
    signing.begin(
        catalogue,
        {"root": people, "targets": people, "snapshot": online, "timestamp": online},
        {"root": 2, "targets": 2},
        now_ms,
    )
    listed: list[dict[str, Any]] = json.loads((releases / "releases.json").read_text(encoding="utf-8"))
    _sign(catalogue, keys, now_ms)
    for at, one in enumerate(listed):
        said = signing.ImageFacts(one["version"], one["revision"], (one["board"],))
        signing.add(catalogue, releases / one["file"], said, now_ms + at)
    _sign(catalogue, keys, now_ms)
    trust.anchor(home, (catalogue / trust.METADATA / "1.root.json").read_bytes())


def _sign(catalogue: Path, keys: Path, now_ms: int) -> None:
    from playbooks.firmware import signing

    for name in (*PEOPLE, ONLINE):
        signing.sign(catalogue, signing.load_key(keys / f"{name}.key", None), now_ms)


def _renew(home: Path, catalogue: Path, keys: Path, now_ms: int) -> None:
    """The demo's own list, signed for another while; expired metadata is refused here as everywhere."""
    from playbooks.firmware import signing, trust

    try:
        images = trust.refresh(home, catalogue)
    except trust.Untrusted:
        images = []
    if min((image.expires_ms for image in images), default=0) - now_ms < RENEW_BEFORE_MS:
        signing.renew(catalogue, now_ms)
    _sign(catalogue, keys, now_ms)
