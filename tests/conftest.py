"""Fixtures of the whole suite."""

import pytest

from gateway.collector import settle

pytest_plugins = ["tests.cluster.fixtures", "tests.front_door"]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite does not depend on proxies or on settings of the person who runs it."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "BINNACLE_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True, scope="module")
def _settled() -> None:
    """No test is stopped for a second or two by the collector, looking at two million objects of those before it."""
    settle()
