"""Fixtures of the whole suite."""

import pytest

pytest_plugins = ["tests.cluster.fixtures", "tests.front_door"]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite does not depend on proxies or on settings of the person who runs it."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "BINNACLE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
