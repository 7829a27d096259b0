"""A wrong setting stops the start, and the message names its key."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from schema.sources.prometheus.settings import PrometheusSettings, duration_seconds


def test_without_settings_nothing_is_asked():
    """Prometheus is optional; the limits are the documented ones."""
    settings = PrometheusSettings()

    assert settings.url is None
    assert (settings.timeout_seconds, settings.retry_after_seconds) == (2.0, 5.0)
    assert (settings.scrape_interval_seconds, settings.rate_window) == (15.0, "5m")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://prometheus:9090", "http://prometheus:9090"),
        ("https://metrics.example.com/prometheus/", "https://metrics.example.com/prometheus"),
        ("http://[::1]:9090/", "http://[::1]:9090"),
    ],
)
def test_an_address_may_have_a_path(given: str, kept: str):
    """Prometheus is often served under a prefix."""
    assert PrometheusSettings(url=given).url == kept


@pytest.mark.parametrize(
    ("settings", "key", "allowed"),
    [
        ({"url": "prometheus:9090"}, "url", "http://HOST"),
        ({"url": "ftp://prometheus"}, "url", "http://HOST"),
        ({"url": "http://"}, "url", "http://HOST"),
        ({"url": "http://prometheus:port"}, "url", "http://HOST"),
        ({"url": "http://me:secret@prometheus"}, "url", "bearer_token_file"),
        ({"url": "http://prometheus?token=1"}, "url", "without ?"),
        ({"timeout_seconds": 0}, "timeout_seconds", "greater than 0"),
        ({"rate_window": "5 minutes"}, "rate_window", "5m or 1h30m"),
        ({"rate_window": "0s"}, "rate_window", "at least a second"),
        ({"rate_window": "59s"}, "rate_window", "at least 4 times"),
        ({"scrape_interval_seconds": 76}, "rate_window", "at least 4 times"),
        ({"bearer_token_file": "/nowhere/token"}, "bearer_token_file", "not point to a file"),
        ({"username": "me"}, "", "go together"),
        ({"username": "a:b"}, "username", "without a colon"),
        ({"password_file": __file__}, "", "go together"),
        ({"username": "me", "password_file": __file__, "bearer_token_file": __file__}, "", "exclude each other"),
        ({"client_certificate_file": __file__}, "", "go together"),
        ({"url": "http://p", "raw_queries": True}, "", "`service` or `non_resource_url`"),
        ({"raw_queries": True, "service": "a/b"}, "", "`raw_queries` needs `url`"),
        ({"service": "a/b", "non_resource_url": "/b"}, "", "give one of them"),
        ({"service": "prometheus"}, "service", "NAMESPACE/NAME[:PORT]"),
        ({"service": "monitoring/prometheus:"}, "service", "NAMESPACE/NAME[:PORT]"),
        ({"service": "Monitoring/prometheus"}, "service", "NAMESPACE/NAME[:PORT]"),
        ({"non_resource_url": "prometheus"}, "non_resource_url", "path such as /prometheus"),
        ({"non_resource_url": "/prometheus/*"}, "non_resource_url", "path such as /prometheus"),
        ({"tenant": "a\nb"}, "tenant", "printable"),
        ({"headers": {"Authorization": "x"}}, "headers.Authorization", "by the gateway itself"),
        ({"headers": {"X Y": "x"}}, "headers.X Y", "name of an HTTP header"),
        ({"headers": {"X-Y": "a\r\nb"}}, "headers.X-Y", "printable"),
        ({"catalogue": {"CPU": {}}}, "catalogue.CPU", "CPU_USAGE"),
        ({"catalogue": {"CPU_USAGE": {"RACK": "up"}}}, "catalogue.CPU_USAGE.RACK", "NODE"),
        ({"catalogue": {"CPU_USAGE": {"NODE": " "}}}, "catalogue.CPU_USAGE.NODE", "PromQL"),
        ({"catalogue": {"CPU_USAGE": {"NODE": "up{$node}"}}}, "catalogue.CPU_USAGE.NODE", "$selector"),
        ({"unknown": 1}, "unknown", "not permitted"),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(settings: dict[str, object], key: str, allowed: str):
    """The line that stops the start says which key and what is allowed."""
    with pytest.raises(ValidationError) as refused:
        PrometheusSettings.model_validate(settings)

    (error,) = refused.value.errors()
    assert ".".join(map(str, error["loc"])).startswith(key)
    assert allowed in error["msg"]
    assert "secret" not in error["msg"]


def test_promqls_own_dollar_signs_are_no_placeholders():
    """`label_replace` counts its groups with them."""
    query = 'label_replace(up{$selector}, "node", "$1-${2}", "instance", "(.*):(.*)")'

    settings = PrometheusSettings.model_validate({"catalogue": {"CPU_USAGE": {"NODE": query}}})

    assert settings.catalogue["CPU_USAGE"]["NODE"] == query  # type: ignore[index]  # a StrEnum is its value


@pytest.mark.parametrize(("text", "seconds"), [("15s", 15), ("5m", 300), ("1h30m", 5400), ("1w2d", 777_600)])
def test_durations_are_prometheus_own(text: str, seconds: int):
    """As they are written in Prometheus' configuration."""
    assert duration_seconds(text) == seconds


def test_files_must_exist(tmp_path: Path):
    """A token file that is not there would otherwise be found out by the first question."""
    token = tmp_path / "token"
    token.write_text("t")

    assert PrometheusSettings(bearer_token_file=token).bearer_token_file == token


@pytest.mark.parametrize("metric", ["CPU_REQUEST", "MEMORY_ALLOCATABLE", "CPU_LIMIT_UTILIZATION"])
def test_what_is_not_measured_takes_no_query(metric: str):
    """It would never be asked, and whoever wrote it would wonder."""
    with pytest.raises(ValidationError, match=f"{metric} is not asked of Prometheus"):
        PrometheusSettings.model_validate({"catalogue": {metric: {"POD": "up"}}})
