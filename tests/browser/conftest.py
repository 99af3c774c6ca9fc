"""A real Chromium, and the bench panel open in JupyterLab and in Voila (see servers.py).

Nothing is installed here: what is missing is said, and the tests are skipped. See `make
test-browser`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.driver import Bench
from browser.servers import served, write_notebook

PLACES = ("lab", "voila")
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items) -> None:
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser():
    """Chromium, without a window. Skips where there is none."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is missing: pip install -e '.[browser]'"
    )
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None:
        pytest.skip("no chromium on PATH; on Debian: apt-get install -y chromium fonts-noto-cjk")
    with sync_api.sync_playwright() as play:
        window = play.chromium.launch(executable_path=found, args=CHROMIUM)
        yield window
        window.close()


@pytest.fixture(scope="module", params=PLACES)
def place(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def server(place) -> Iterator[tuple[str, Path]]:
    """(address, folder with bench.ipynb) of a running JupyterLab or Voila."""
    with served(place, write_notebook) as running:
        yield running


@pytest.fixture(scope="module")
def bench(browser, server, place) -> Iterator[Bench]:
    """The open panel. Tests of one place share it, in order, as a person would use it."""
    page = browser.new_page(viewport={"width": 1300, "height": 1250})
    bench = Bench(page, place, server[0])
    bench.open()
    yield bench
    page.close()
