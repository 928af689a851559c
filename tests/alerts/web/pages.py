"""What page tests share: is a page whole at every size, and can everybody use it."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

PHONE = {"width": 360, "height": 740}
WALL = {"width": 1440, "height": 900}


def serious(page: Page) -> list[str]:
    """Violations that axe-core calls serious or critical, with the elements."""
    result = Axe().run(page)
    return [
        f"{v['id']}: {[node['target'] for node in v['nodes']][:4]}"
        for v in result.response["violations"]
        if v["impact"] in ("serious", "critical")
    ]


def faults(page: Page) -> list[str]:
    """What is wrong with a page at 360x740 and 1440x900, light and dark; empty when nothing is."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += [f"{scheme}: {problem}" for problem in serious(page)]
    for size in (WALL, PHONE):
        page.set_viewport_size(size)
        if page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
            found.append(f"too wide for {size['width']} px")
    return found
