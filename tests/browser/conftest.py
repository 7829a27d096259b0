"""A Chromium, and GraphiQL of a running `binnacle demo` in it."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.chromium import MISSING
from tests.browser.demo import running_demo
from tests.browser.explorer import Explorer, open_browser, open_explorer

PICTURES = Path(__file__).parents[2] / "build" / "browser"


@pytest.fixture(scope="session")
def demo() -> Iterator[str]:
    """The address of a demo cluster that stands still: three nodes, ten pods each."""
    with running_demo("--nodes", "3", "--pods-per-node", "10", "--churn", "0") as address:
        yield address


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        if browser is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
        assert browser is not None
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def explorer(browser: Browser, demo: str) -> AsyncIterator[Explorer]:
    """A tab in which nothing was ever entered."""
    explorer = await open_explorer(browser, demo, color_scheme="light")
    yield explorer
    await explorer.page.context.close()


@pytest.fixture
def pictures() -> Path:
    """Where screenshots go, for people to look at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    return PICTURES
