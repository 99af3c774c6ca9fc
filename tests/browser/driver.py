"""What a person does with the panel, and sees: the same words for JupyterLab and Voila."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

SHOTS = os.environ.get("FEDKIT_SHOTS")  # a folder for pictures; unset: none are kept
PLOT = ".js-plotly-plot"


class Bench:
    """One page with the panel. outside: requests that left this machine; errors: what the page's
    scripts threw.
    """

    def __init__(self, page, place: str, address: str):
        self.page, self.place, self.address = page, place, address
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.asked_user: list[str] = []
        self.console: list[str] = []
        page.on("request", lambda request: self._asked(request.url))
        page.on("requestfailed", lambda request: self._refused(request))
        page.on("websocket", lambda socket: self._asked(socket.url))
        page.on(
            "console", lambda said: self.console.append(said.text) if said.type == "error" else None
        )
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _asked(self, url: str) -> None:
        here = url.split("://", 1)[-1].startswith(("127.0.0.1", "localhost"))
        if not here and not url.startswith(("data:", "blob:", "about:")):
            self.outside.append(url)

    def _refused(self, request) -> None:
        """What the page's own rule (CSP) forbids never leaves the browser."""
        if request.failure == "csp" and request.url in self.outside:
            self.outside.remove(request.url)

    def open(self) -> None:
        """Load the page and, in JupyterLab, run the notebook; until the panel is there."""
        if self.place == "voila":
            self.page.goto(self.address, timeout=300_000)
        else:
            self.page.goto(f"{self.address}/lab/tree/bench.ipynb?reset", timeout=300_000)
            self._idle()
            self.page.keyboard.press("Control+b")  # hide the list of files
            self._execute()
        self.ready()

    def _execute(self, tries: int = 5) -> None:
        """Shift+Enter in the first cell; again if the kernel was not yet listening, which
        JupyterLab does not tell.
        """
        prompt = self.page.locator(".jp-Notebook .jp-Cell .jp-InputPrompt").first
        for _ in range(tries):
            if (asks := self.page.locator(".jp-Dialog-content")).count():
                self.shot("dialog")
                self.asked_user.append(asks.first.inner_text())
                self.page.keyboard.press("Enter")  # "Select Kernel": the one it proposes
                self._idle()
            self.page.locator(".jp-Notebook .jp-Cell").first.click()
            self.page.keyboard.press("Escape")
            self.page.keyboard.press("Shift+Enter")
            ends = time.monotonic() + 10
            while time.monotonic() < ends:
                if any(c in prompt.inner_text() for c in "*123456789"):
                    return
                time.sleep(0.1)
        self.shot("failed")
        raise AssertionError(f"JupyterLab does not run the cell; it asked {self.asked_user}")

    def reload(self) -> None:
        """As a person's F5. JupyterLab shows outputs of what was saved, so save first."""
        if self.place == "lab":
            self.page.keyboard.press("Control+s")
            time.sleep(2)
        self.page.reload(timeout=300_000)
        if self.place == "lab":
            self._idle()
        self.ready()

    def _idle(self) -> None:
        self.page.wait_for_selector(
            ".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=300_000
        )

    def ready(self) -> None:
        self.until(lambda: self.page.locator(f"{PLOT} .gtitle").count() > 0, 120)
        self.until(lambda: self.button("Run").or_(self.button("Run next")).count() > 0, 30)

    # ---- what is seen

    def title(self) -> str:
        lines = self.page.locator(f"{PLOT} .gtitle").last.evaluate(
            "t => [...(t.querySelectorAll('tspan.line').length ? t.querySelectorAll('tspan.line') :"
            " [t])].map(e => e.textContent)"
        )
        return " ".join(lines).replace("\xa0", " ")

    def curve(self) -> str | None:
        """The path of the latest result's line."""
        script = (
            f"(() => {{const l = [...document.querySelectorAll('{PLOT} .scatterlayer .js-line')];"
            " return l.length ? l.pop().getAttribute('d') : null})()"
        )
        return self.page.evaluate(script)

    def curves(self) -> int:
        return self.page.locator(f"{PLOT} .scatterlayer .js-line").count()

    def ticks(self, axis: str = "x2") -> list[str]:
        return self.page.locator(f"{PLOT} .{axis}tick text").all_text_contents()

    def words(self) -> str:
        """All text of the panel."""
        root = ".jp-OutputArea" if self.place == "lab" else "body"
        there = self.page.locator(root)
        return (
            (there.first if there.count() else self.page.locator("body"))
            .inner_text()
            .replace("\xa0", " ")
        )

    def button(self, name: str):
        return self.page.locator("button", has_text=re.compile(rf"^\s*{name}\s*$")).last

    def until(self, what: str | Callable[[], bool], seconds: float = 90.0) -> None:
        """Until the panel says `what`, or `what()` is true."""
        ends = time.monotonic() + 5 * seconds  # a guard against hanging, not a bar of speed
        test = what if callable(what) else lambda: what in self.words()
        while not test():
            if time.monotonic() > ends:
                self.shot("failed")
                raise AssertionError(
                    f"waited {seconds:.0f} s for {what}; the page's scripts: {self.errors[-3:]}"
                    f" {self.console[-3:]}, it says: {self.words()[-900:]}"
                )
            time.sleep(0.05)

    # ---- what is done

    def slider(self, name: str):
        """The handle of the slider with this label."""
        row = self.page.locator(
            ".widget-slider", has=self.page.locator(".widget-label", has_text=name)
        ).last
        return row.locator(".noUi-handle")

    def keys(self, name: str, key: str, times: int = 1) -> None:
        """Move a control as the keyboard does."""
        self.slider(name).focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def drag(self, name: str, by: int) -> None:
        """Move a slider with the mouse, by so many pixels."""
        handle = self.slider(name)
        handle.scroll_into_view_if_needed()
        box = handle.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + by, y, steps=8)
        self.page.mouse.up()

    def view(self, title: str) -> None:
        self.page.locator(".widget-toggle-button", has_text=title).last.click()

    def shot(self, name: str) -> None:
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            time.sleep(0.6)
            self.page.screenshot(path=Path(SHOTS) / f"{self.place}_{name}.png")
