"""Make the README's pictures from the simulated city: start it, watch for a while, save three screens as SVG."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
import time
from pathlib import Path

from console import texts
from console.demo import DemoOptions, city, engine
from console.tui.app import Leitstand, Settings
from local_store.keys import store_key

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
WATCH_S = 100


def self_contained(svg: str) -> str:
    """Without the fonts that Rich's template would load from elsewhere; a monospaced one of the reader's serves."""
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg)
    return svg.replace("Fira Code", "DejaVu Sans Mono, FreeMono, monospace")


async def shoot(directory: Path, node_id: str) -> None:
    """Overview, node and map, each once drawn."""
    app = Leitstand(directory, store_key(directory, "file", create=False).raw, Settings(glyphs="block"))
    async with app.run_test(size=(100, 30)) as pilot:
        for name, target in (("overview", "overview"), ("node", f"node:{node_id}"), ("map", "map")):
            app.open_target(target)
            await pilot.pause(1.0)
            svg = self_contained(app.export_screenshot(title="Leitstand"))
            (PICTURES / f"{name}.svg").write_text(svg, encoding="utf-8")


def main() -> None:
    """One run, one language."""
    texts.set_language("de")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        options = DemoOptions(Path(place))
        with city(options, lambda facts: print(facts, file=sys.stderr)) as demo, engine(demo):
            time.sleep(WATCH_S)
            healthy = json.loads((demo.city / "truth.json").read_text(encoding="utf-8"))["healthy"]
            asyncio.run(shoot(demo.store, next(name for name in healthy if name.startswith("ge-bue"))))


if __name__ == "__main__":
    main()
