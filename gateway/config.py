"""The gateway's settings: each package's own, composed here, and read from one file, the environment and the flags.

A later one of file, environment and flags wins. The places are read by `gateway.config_sources`, pydantic-settings
lays them over each other, the packages' own models validate the result, and whatever is wrong becomes one line that
names the key as its author wrote it (`gateway.config_mistakes`). An empty value (null, "", a variable set to nothing)
counts as not written, in all three.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from auth.settings import AuthSettings, OidcSettings
from gateway import logs
from gateway.config_mistakes import ConfigError, Given, mistake, one_line, unreadable, winners, wrong_value
from gateway.config_sources import FLAGS, from_environment, from_file, from_flags
from gateway.http.persisted import Manifest
from gateway.http.shared_secret import SharedSecret
from gateway.telemetry.settings import TelemetrySettings
from schema.execution.settings import ExecutionSettings, LimitSettings
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.prometheus.settings import PrometheusSettings

__all__ = ["FLAGS", "Config", "ConfigError", "DemoOptions", "ServerSettings", "keys", "load_config"]


class ServerSettings(BaseModel):
    """Where the gateway listens, and how it speaks of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(
        default="0.0.0.0",
        description="Address to listen on. Every interface by default, because in a pod nobody else could reach it.",
    )
    port: int = Field(
        default=8080,
        ge=0,
        le=65_535,
        description="Port to listen on; 0 takes a free one and logs which.",
    )
    protocol: Literal["http", "https"] = Field(
        default="http",
        description="What is spoken there. https needs `tls_certificate` and `tls_key`, and is the default with them.",
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="The certificate shown to clients, with its intermediates (PEM).",
    )
    tls_key: Path | None = Field(
        default=None,
        description="The private key of `tls_certificate` (PEM, not encrypted).",
    )
    tls_client_ca: Path | None = Field(
        default=None,
        description="Authorities (PEM), one of which must have signed the certificate that every client then has to "
        "show, beside its token. For a proxy in front that alone may connect.",
    )
    tls_minimum_version: Literal["1.2", "1.3"] = Field(
        default="1.2", description="The oldest TLS that is spoken; the default is kube-apiserver's own."
    )
    connections: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Connections that are open at once. One more closes the one that has been idle for longest.",
    )
    header_limit_bytes: int = Field(
        default=65_536,
        ge=8_192,
        le=1_048_576,
        description="Longest request line and headers together, in bytes; more is refused with status 431. "
        "A token may have 16 KiB of it, a query in a URL the rest.",
    )
    header_seconds: float = Field(
        default=10.0,
        gt=0,
        le=3_600,
        allow_inf_nan=False,
        description="How long a new connection may take until its first request's headers are complete, and each "
        "later request from its first byte on, in seconds; then status 408.",
    )
    body_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3_600,
        allow_inf_nan=False,
        description="How long a request's body may take after its headers, in seconds; then status 408.",
    )
    idle_seconds: float = Field(
        default=75.0,
        gt=0,
        le=3_600,
        allow_inf_nan=False,
        description="How long a connection is kept without a request, in seconds. Longer than proxies in front keep "
        "theirs (ingress-nginx: 60), so that none sends a request into a closing connection.",
    )
    stalled_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3_600,
        allow_inf_nan=False,
        description="How long a client may take to read 256 KiB of an answer, in seconds; then it is cut off.",
    )
    body_limit_bytes: int = Field(
        default=1_048_576,
        ge=1_024,
        le=104_857_600,
        description="Longest request body that is read, in bytes. GraphiQL's introspection query has 2,000; "
        "1 MiB leaves room for generated queries with large variables.",
    )
    persisted_documents_bytes: int = Field(
        default=4_194_304,
        ge=0,
        le=1_073_741_824,
        description="Most memory for documents that clients name by their SHA-256 after sending them once, in bytes; "
        "0 switches that off.",
    )
    trusted_documents: Path | None = Field(
        default=None,
        description="Documents of an application's build that clients may name by their ids: a JSON object of ids and "
        "texts (graphql-codegen, Relay) or Apollo's manifest. Read once at the start.",
    )
    trusted_documents_only: bool = Field(
        default=False,
        description="Whether no other documents are answered. GraphiQL then shows its page, and no schema.",
    )
    shared_secret_file: Path | None = Field(
        default=None,
        description="File with a secret that all replicas share, 32 bytes at least, such as `openssl rand -hex 32` "
        "writes: the same answer has then the same entity tag on each of them. By default each process makes a secret "
        "of its own. Read once at the start.",
    )
    cors_origins: tuple[Annotated[str, Field(pattern=r"^https?://[^/*\s]+$")], ...] = Field(
        default=(),
        description="Other sites whose pages may ask, such as `https://dashboard.example`; by default none. Their "
        "users still need tokens of their own.",
    )
    request_seconds: float = Field(
        default=10.0,
        gt=0,
        le=3_600,
        allow_inf_nan=False,
        description="How long an answer may take, in seconds, its sending not counted; then it is refused with "
        "`TIMED_OUT`.",
    )
    requests_at_work: int = Field(
        default=64, ge=1, le=100_000, description="Requests that are executed at once; more wait."
    )
    requests_per_user: int = Field(
        default=32,
        ge=1,
        le=100_000,
        description="Requests of one user that are executed at once; as many more wait, all others are refused with "
        "`TOO_MANY_REQUESTS`.",
    )
    requests_waiting: int = Field(
        default=256, ge=0, le=100_000, description="Requests that wait at once; all others are refused with status 503."
    )
    wait_seconds: float = Field(
        default=2.0,
        gt=0,
        le=3_600,
        allow_inf_nan=False,
        description="How long a request waits for its turn, in seconds; then it is refused with status 503.",
    )
    unsent_bytes: int = Field(
        default=268_435_456,
        ge=1_048_576,
        description="Most memory for answers above 256 KiB that wait for their readers, in bytes, of one user a "
        "quarter of it; an answer that several read counts once. More are refused with status 503, or 429.",
    )
    shutdown_grace_seconds: float = Field(
        default=20.0,
        ge=0,
        le=3_600,
        allow_inf_nan=False,
        description="How long requests may still run after SIGTERM or Ctrl-C, in seconds. Kubernetes kills a pod after "
        "30 s unless told otherwise: less leaves time to close the sources.",
    )
    log_level: logs.Level = Field(
        default="info",
        description="The least that is logged of Binnacle's own; libraries speak from warning up in any case.",
    )
    log_format: logs.Format = Field(
        default="text",
        description="Text for people at a terminal, or json for collectors: one object a line. On standard error.",
    )

    @model_validator(mode="before")
    @classmethod
    def _a_certificate_means_https(cls, data: Any) -> Any:
        if (
            isinstance(data, Mapping)
            and "protocol" not in data
            and (data.get("tls_certificate") or data.get("tls_key"))
        ):
            return {**data, "protocol": "https"}
        return data

    @model_validator(mode="after")
    def _keys_that_need_each_other(self) -> Self:
        both = self.tls_certificate is not None and self.tls_key is not None
        if self.protocol == "https" and not both:
            raise ValueError("https needs both files: `protocol` https, `tls_certificate` and `tls_key`")
        if self.protocol == "http" and (self.tls_certificate or self.tls_key):
            raise ValueError("`protocol` http has no use for `tls_certificate` and `tls_key`: must be https with them")
        if self.trusted_documents_only and self.trusted_documents is None:
            raise ValueError("nothing could be asked: `trusted_documents_only` needs `trusted_documents`")
        if self.protocol == "http" and self.tls_client_ca:
            raise ValueError("`protocol` http has no use for `tls_client_ca`: must be https with it")
        return self


class Config(BaseSettings):
    """Everything that can be set. Made in a test it is what its arguments say: only `load_config` reads anything."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    server: ServerSettings = ServerSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()
    prometheus: PrometheusSettings = PrometheusSettings()
    auth: AuthSettings = AuthSettings()
    oidc: OidcSettings = OidcSettings()
    execution: ExecutionSettings = ExecutionSettings()
    limits: LimitSettings = LimitSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @model_validator(mode="after")
    def _an_issuer_is_asked(self) -> Self:
        if ("oidc" in self.auth.authenticators) != (self.oidc.issuer is not None):
            raise ValueError("`auth.authenticators` with oidc and `oidc.issuer` need each other")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments alone; pydantic-settings' own readers would ignore a misspelt variable, and name no source."""
        return (init_settings,)


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What `binnacle demo` was asked for; its config is otherwise the default one."""

    nodes: int
    pods_per_node: int
    churn: float  # changes of pods per second; 0: a cluster that stands still
    seed: int  # the same seed gives the same cluster
    host: str
    port: int


def keys() -> dict[tuple[str, str], FieldInfo]:
    """Every key that can be set, as (section, name), in the order of the models."""
    return {
        (section, name): field
        for section, model in Config.model_fields.items()
        for name, field in _model(model.annotation).model_fields.items()
    }


def load_config(flags: Mapping[str, str], environ: Mapping[str, str], file: Path | None = None) -> Config:
    """The settings that the flags (`{"--port": "8080"}`), the environment and the file say; ConfigError otherwise.

    `file` is what `--config` names; without it BINNACLE_CONFIG may name one. Reads that file, and looks whether the
    files named in the settings can be read.
    """
    known = keys()
    layers = (from_flags(flags, known), from_environment(environ, known), from_file(*_named(file, environ), known))
    try:
        config = Config(_build_sources=(tuple(_Layer(layer) for layer in layers), {}))
    except ValidationError as error:
        raise wrong_value(error.errors(include_url=False)[0], layers, known) from None
    _look_at_files(config, layers)
    return config


class _Layer(PydanticBaseSettingsSource):
    """What one place said, as pydantic-settings takes it."""

    def __init__(self, given: tuple[Given, ...]) -> None:
        super().__init__(Config)
        self._given = given

    def __call__(self) -> dict[str, Any]:
        sections: dict[str, dict[str, object]] = {}
        for value in self._given:
            sections.setdefault(value.section, {})[value.name] = value.value
        return dict(sections)

    def get_field_value(self, field: FieldInfo, field_name: str) -> NoReturn:
        """The base class asks for it, and only its own `__call__` would use it."""
        raise NotImplementedError(f"{field_name} ({field}) is read as part of its layer")


def _named(file: Path | None, environ: Mapping[str, str]) -> tuple[Path | None, str]:
    """The config file, and how it was named."""
    if file is None and environ.get("BINNACLE_CONFIG"):
        return Path(environ["BINNACLE_CONFIG"]), "BINNACLE_CONFIG"
    return file, "--config"


def _model(annotation: object) -> type[BaseModel]:
    assert isinstance(annotation, type) and issubclass(annotation, BaseModel), annotation  # noqa: S101, PT018
    return annotation


def _look_at_files(config: Config, layers: tuple[tuple[Given, ...], ...]) -> None:
    """Stop at the start, not at the first request that needs the file."""
    for (section, name), field in keys().items():
        path = getattr(getattr(config, section), name)
        given = winners(layers, section).get(name)
        if isinstance(path, Path) and given is not None and (reason := unreadable(path)):
            raise mistake(given, field, reason)
    pair = config.server.tls_certificate, config.server.tls_key
    if pair[0] is not None and pair[1] is not None and (reason := _certificate_mistake(pair[0], pair[1])):
        words = " and ".join(winners(layers, "server")[name].words for name in ("tls_certificate", "tls_key"))
        raise ConfigError(one_line(f"{words}: {reason}"))
    for name, read in (("trusted_documents", Manifest.read), ("shared_secret_file", SharedSecret.read)):
        file = getattr(config.server, name)
        try:
            if file is not None:
                read(file)
        except ValueError as error:
            raise mistake(winners(layers, "server")[name], keys()["server", name], str(error)) from None
    authorities = config.server.tls_client_ca
    if authorities is not None and not _holds_certificates(authorities):
        given = winners(layers, "server")["tls_client_ca"]
        raise mistake(given, keys()["server", "tls_client_ca"], "it must hold certificates of authorities (PEM)")


def _holds_certificates(file: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(file)
    except ssl.SSLError:
        return False
    return True


def _certificate_mistake(certificate: Path, key: Path) -> str | None:
    """Why these two cannot serve https, or None if they can."""
    encrypted = False

    def no_password() -> str:  # OpenSSL would ask on the terminal
        nonlocal encrypted
        encrypted = True
        return ""

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, no_password)
    except (ssl.SSLError, ValueError) as error:
        if encrypted:
            return "the key is encrypted: store it without a passphrase, readable by the gateway alone"
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            return "the key does not belong to the certificate"
        return "they must be a certificate and its private key, both PEM"
    return None
