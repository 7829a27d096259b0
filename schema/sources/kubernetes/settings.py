"""Where the API server is and who the gateway is to it."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class KubernetesSettings(BaseModel):
    """How to reach the API server, in this order: `server`; `kubeconfig` or `context`; the service account of the pod
    that this process runs in; the kubeconfig that kubectl would take ($KUBECONFIG, else ~/.kube/config).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kubeconfig: Path | None = Field(
        default=None,
        description="Path of a kubeconfig file, read once at the start. Its exec plugins and token files are asked "
        "again when their credentials run out. Nothing is ever written to it.",
    )
    context: str | None = Field(
        default=None,
        description="The kubeconfig's context to use; by default its `current-context`, as kubectl does.",
    )
    server: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+(/\S*)?$",
        description="Address of the API server, such as https://10.0.0.1:6443: no kubeconfig is read then, "
        "and the files below say how to speak to it.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificate authorities (PEM) that the API server's certificate must come from; "
        "by default the system's. Only with `server`.",
    )
    token_file: Path | None = Field(
        default=None,
        description="File with the gateway's bearer token, read again at most once a minute, because tokens of "
        "service accounts are replaced every hour. Only with `server`.",
    )
    client_certificate_file: Path | None = Field(
        default=None,
        description="The gateway's client certificate (PEM), with `client_key_file`. Only with `server`.",
    )
    client_key_file: Path | None = Field(
        default=None,
        description="The key (PEM) of `client_certificate_file`.",
    )
    insecure_skip_tls_verify: bool = Field(
        default=False,
        description="Believe any certificate of the API server: whoever answers at that address then gets the "
        "gateway's token. For throwaway clusters only. Only with `server`.",
    )

    namespaces: tuple[Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")], ...] = Field(
        default=(),
        description="Watch these namespaces only, for an account that has its rights there and no others; by default "
        "all. Nodes, namespaces and whatever else belongs to no namespace cannot be shown then.",
    )
    first_list_seconds: float = Field(
        default=5.0,
        gt=0,
        le=300,
        allow_inf_nan=False,
        description="How long the first question about a kind that is not yet watched waits for its list, in seconds; "
        "then its fields say `NOT_SYNCED`, and the rest is answered. An API server lists 15,000 objects in 0.6 to 2 s.",
    )
    idle_kind_seconds: float = Field(
        default=300.0,
        ge=1,
        allow_inf_nan=False,
        description="How long after the last question about a kind its watch ends and its memory is given back, in "
        "seconds. Nodes, pods, namespaces and services are watched always.",
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.server is not None and (self.kubeconfig is not None or self.context is not None):
            raise ValueError("`server` and `kubeconfig`/`context` are two ways to one place: give one of them")
        if self.server is None and (only := self._only_with_server()):
            raise ValueError(f"`{only}` counts only together with `server`; a kubeconfig brings its own")
        if (self.client_certificate_file is None) != (self.client_key_file is None):
            raise ValueError("`client_certificate_file` and `client_key_file` need each other")
        return self

    def _only_with_server(self) -> str | None:
        names = ("ca_file", "token_file", "client_certificate_file", "client_key_file", "insecure_skip_tls_verify")
        return next((name for name in names if getattr(self, name)), None)
