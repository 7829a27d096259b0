"""Which Prometheus is asked, how often, and how long an answer may wait for it."""

import re
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    ValidationInfo,
    field_validator,
    model_validator,
)

from schema.sources.prometheus.catalogue import PLACEHOLDERS, Level, MetricName, Profile, unknown_placeholders

# A rate needs two samples in its window, and one scrape may fail: kubernetes-mixin and Grafana's $__rate_interval both
# hold to four scrape intervals.
SCRAPES_IN_A_WINDOW: Final = 4

# Headers that say who asks, or how; each has a setting of its own or follows from the request.
OWN_HEADERS: Final = frozenset(
    {"authorization", "x-scope-orgid", "host", "content-type", "content-length", "transfer-encoding", "connection"}
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# With `https:` before the name where the API server's proxy is to speak TLS: that is part of the name then.
_SERVICE = re.compile(
    r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/(https?:)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(:[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?"
)
_PATH = re.compile(r"/[A-Za-z0-9/._~-]*")

_DURATION = re.compile(r"(?=\d)(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SECONDS: Final = (604_800, 86_400, 3_600, 60, 1)


def duration_seconds(text: str) -> int:
    """Seconds of a Prometheus duration such as `5m` or `1h30m`; ValueError if it is none of at least a second."""
    found = _DURATION.fullmatch(text)
    seconds = sum(int(count or 0) * unit for count, unit in zip(found.groups(), _SECONDS, strict=True)) if found else 0
    if not seconds:
        raise ValueError("must be a Prometheus duration of at least a second, such as 5m or 1h30m")
    return seconds


def _duration(text: str) -> str:
    duration_seconds(text)
    return text


def _base_url(text: str) -> str:
    """`text` as something that `/api/v1/query` can be appended to."""
    try:
        url = urlsplit(text)
        named = bool(url.hostname) and url.port != 0
    except ValueError:
        named = False
        url = urlsplit("")
    if not named or url.scheme not in ("http", "https"):
        raise ValueError("must be http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]")
    if url.username is not None or url.password is not None:
        raise ValueError(
            "must hold no user and password: give a token by bearer_token_file, or username and password_file"
        )
    if url.query or url.fragment:
        raise ValueError("must end with its path, without ? and #")
    return text.rstrip("/")


def _promql(template: str) -> str:
    if not template.strip():
        raise ValueError("must be a PromQL query")
    if unknown := unknown_placeholders(template):
        known = ", ".join(f"${name}" for name in PLACEHOLDERS)
        raise ValueError(f"{unknown[0]} is no placeholder; there are {known}")
    return template


def _username(text: str) -> str:
    if not text or ":" in text or not text.isprintable():
        raise ValueError("must be a user name: not empty, and without a colon")
    return text


def _header_name(text: str) -> str:
    if not _HEADER_NAME.fullmatch(text):
        raise ValueError("must be the name of an HTTP header")
    if text.lower() in OWN_HEADERS:
        raise ValueError("is set by the gateway itself")
    return text


def _header_value(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError("must be printable ASCII, and not empty")
    return text


def _service(text: str) -> str:
    if not _SERVICE.fullmatch(text):
        raise ValueError("must be NAMESPACE/NAME[:PORT] of a Service, such as monitoring/prometheus-server:9090")
    return text


def _path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValueError("must be a path such as /prometheus")
    return text


HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
PromQL = Annotated[str, AfterValidator(_promql)]


class PrometheusSettings(BaseModel):
    """How Prometheus is asked; without `url`, how `metrics.k8s.io` is in its place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, AfterValidator(_base_url)] | None = Field(
        default=None,
        description="Address of Prometheus, or of what speaks its HTTP API, such as http://prometheus.monitoring:9090; "
        "a path in it is kept.",
    )
    bearer_token_file: FilePath | None = Field(
        default=None,
        description="File with the token sent to Prometheus; read for every query, because mounted tokens rotate.",
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="Certificates (PEM) that an https Prometheus may be signed by; the system's own if not given.",
    )
    username: Annotated[str, AfterValidator(_username)] | None = Field(
        default=None,
        description="User name for HTTP basic authentication, where Prometheus asks for that instead of a token; goes "
        "with password_file.",
    )
    password_file: FilePath | None = Field(
        default=None,
        description="File with the password that goes with username; read for every query.",
    )
    client_certificate_file: FilePath | None = Field(
        default=None,
        description="Certificate (PEM) by which an https Prometheus knows the gateway; goes with client_key_file.",
    )
    client_key_file: FilePath | None = Field(
        default=None,
        description="Private key (PEM, without a password) of client_certificate_file.",
    )
    tenant: Annotated[str, AfterValidator(_header_value)] | None = Field(
        default=None,
        description="Tenant whose series are asked for (the header X-Scope-OrgID), for Mimir, Thanos or Cortex.",
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict,
        description="More headers of every query, such as what a proxy in between asks for; no secrets, which belong "
        "into files.",
    )
    timeout_seconds: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="Seconds that a query may take; what an answer waits for metrics at most.",
    )
    retry_after_seconds: float = Field(
        default=5.0,
        gt=0,
        le=300,
        description="Seconds after a failure in which nobody waits for Prometheus again.",
    )
    scrape_interval_seconds: float = Field(
        default=15.0,
        gt=0,
        le=3600,
        description="Seconds between two scrapes of a target. Numbers stay the same in between, and so does an answer.",
    )
    rate_window: Annotated[str, AfterValidator(_duration)] = Field(
        default="5m",
        validate_default=True,  # a longer scrape interval needs a longer window
        description="Window over which rates are averaged, as a Prometheus duration; at least four scrape intervals.",
    )
    stale_after_seconds: float = Field(
        default=300.0,
        gt=0,
        description="Seconds after which a number is too old to be shown (five minutes is Prometheus' own limit).",
    )
    response_limit_bytes: int = Field(
        default=64 * 2**20,
        ge=2**10,
        description="Bytes of one answer that are read at most; an answer about 150,000 pods has some 20 MB.",
    )
    require_metrics_right: bool = Field(
        default=False,
        description="Whether metrics are for those alone who may also list pods and nodes in metrics.k8s.io, as for "
        "`kubectl top`; else who may list an object sees its metrics.",
    )
    raw_queries: bool = Field(
        default=False,
        description="Whether PromQL of users' own is passed on (`prometheus(query:)`), for those alone who have the "
        "right that `service` or `non_resource_url` names: it shows them every series, of all namespaces and tenants.",
    )
    service: Annotated[str, AfterValidator(_service)] | None = Field(
        default=None,
        description="The Service of this Prometheus, as NAMESPACE/NAME[:PORT], written as in the path by which the API "
        "server's own proxy reaches it: who may `get` its `services/proxy` may ask PromQL of their own.",
    )
    non_resource_url: Annotated[str, AfterValidator(_path)] | None = Field(
        default=None,
        description="In the place of `service`, for a Prometheus outside the cluster: a path such as /prometheus; who "
        "may `get` it by a rule with `nonResourceURLs` may ask PromQL of their own.",
    )
    raw_timeout_seconds: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="Seconds that one query of a user's own may take, waiting for its turn included.",
    )
    raw_response_limit_bytes: int = Field(
        default=2 * 2**20,
        ge=2**10,
        description="Bytes that are read at most of the answers to all of an operation's own queries together; some "
        "50,000 samples over time.",
    )
    profile: Profile | None = Field(
        default=None,
        description="How Prometheus was installed; left out, that is recognised by its jobs and rules, and named in "
        "the log: kube-prometheus-stack, kubernetes-mixin (the stack with its "
        "recording rules, which are cheaper), prometheus (the community chart) or kubernetes-cadvisor (Prometheus' own "
        "example jobs) ask only the jobs that belong to it, so that no tenant's exporter speaks of others; generic "
        "asks whatever there is.",
    )
    catalogue: dict[MetricName, dict[Level, PromQL]] = Field(
        default_factory=dict,
        description="PromQL in place of the built-in, by metric and level, such as {CPU_USAGE: {POD: …}}. $selector "
        'stands for the matchers of what is asked for and comes last between braces: metric{container!="",$selector}; '
        "$instances for the same node names on the label `instance`; $window for the rate window. Series must carry "
        "the labels that name an object of their level (`node`, or those of `namespace`, `pod` and `container` that it "
        "has); other labels are shown with the metric.",
    )

    @field_validator("catalogue")
    @classmethod
    def _is_of_what_is_measured(
        cls, catalogue: dict[MetricName, dict[Level, str]]
    ) -> dict[MetricName, dict[Level, str]]:
        for metric in catalogue:
            if metric.measured is not metric:
                raise ValueError(f"{metric} is not asked of Prometheus: it follows from what the objects say")
        return catalogue

    @field_validator("rate_window")
    @classmethod
    def _holds_enough_scrapes(cls, window: str, info: ValidationInfo) -> str:
        interval = info.data.get("scrape_interval_seconds")  # absent where it is itself wrong
        if interval is not None and duration_seconds(window) < SCRAPES_IN_A_WINDOW * interval:
            raise ValueError(f"must be at least {SCRAPES_IN_A_WINDOW} times scrape_interval_seconds ({interval:g})")
        return window

    @model_validator(mode="after")
    def _says_who_asks_in_one_way(self) -> Self:
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file go together")
        if self.username is not None and self.bearer_token_file is not None:
            raise ValueError("bearer_token_file and username exclude each other")
        if (self.client_certificate_file is None) != (self.client_key_file is None):
            raise ValueError("client_certificate_file and client_key_file go together")
        return self

    @model_validator(mode="after")
    def _says_who_may_ask_what_they_like(self) -> Self:
        if self.service is not None and self.non_resource_url is not None:
            raise ValueError("`service` and `non_resource_url` are two rights for one thing: give one of them")
        if self.raw_queries and self.service is None and self.non_resource_url is None:
            raise ValueError("`raw_queries` needs `service` or `non_resource_url`: nobody else could say who may ask")
        if self.raw_queries and self.url is None:
            raise ValueError("`raw_queries` needs `url`: there is no Prometheus to ask")
        return self

    def window_of(self, step_seconds: int) -> str:
        """The rate window of numbers that are this far apart: what happens between two of them is not lost."""
        return self.rate_window if step_seconds <= duration_seconds(self.rate_window) else f"{step_seconds}s"
