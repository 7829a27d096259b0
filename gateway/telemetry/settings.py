"""What the process tells of itself, and to whom."""

from pydantic import BaseModel, ConfigDict, Field


class TelemetrySettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65_535,
        description="Port on which `/metrics`, and nothing else, is served to whoever can connect; 0: none. On the "
        "main port `/metrics` needs a token whose owner may `get` the non-resource URL `/metrics`.",
    )
    metrics_host: str = Field(
        default="127.0.0.1",
        description="Address on which `metrics_port` listens. In a pod 0.0.0.0, as Prometheus comes from outside.",
    )
    operations: int = Field(
        default=50,
        ge=0,
        le=1_000,
        description="Names of operations that metrics tell apart, the first that are seen; the rest is `other`. "
        "Each costs about 20 series.",
    )
    slow_seconds: float = Field(
        default=1.0,
        ge=0,
        le=3_600,
        allow_inf_nan=False,
        description="Requests that take longer than this, in seconds, are logged as `request.slow`, with their "
        "document's SHA-256 and the time of each phase; 0: none are.",
    )
    traces: bool = Field(
        default=False,
        description="Whether traces are sent, by OTLP over HTTP. What OTEL_* variables say counts too, such as "
        "OTEL_SERVICE_NAME and OTEL_EXPORTER_OTLP_HEADERS.",
    )
    traces_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        description="Where traces are sent, such as `http://collector:4318/v1/traces`; by default what "
        "OTEL_EXPORTER_OTLP_ENDPOINT says, else a collector on this machine.",
    )
    traces_share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of the requests that are traced, from 0 to 1, where the caller's own `traceparent` does not "
        "decide it.",
    )
