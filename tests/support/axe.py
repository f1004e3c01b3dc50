"""What axe, the checker of accessibility, finds on a page."""

from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
OPTIONS = {
    "resultTypes": ["violations"],
    # Rules that axe has, but does not apply by itself.
    "rules": {"label-content-name-mismatch": {"enabled": True}, "target-size": {"enabled": True}},
}


def faults(page: Page) -> list[str]:
    """What axe finds, of any impact, each with the elements concerned."""
    # Colours in the middle of a transition are nobody's.
    page.evaluate(
        """() => Promise.all(
            document.getAnimations().filter((a) => a.effect.getComputedTiming().iterations === 1).map((a) => a.finished)
        )"""
    )
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found = page.evaluate("(options) => axe.run(document, options)", OPTIONS)
    return [
        f"{fault['id']}: {node['target']} {node['failureSummary']}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]
