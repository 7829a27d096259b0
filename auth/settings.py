"""The bounds within which this package works. No setting leaves it open: there is no such switch."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(allow_inf_nan=False)]


class AuthSettings(BaseModel):
    """Each bound of authentication and authorisation, with its unit and the reason for its default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token_limit_bytes: int = Field(
        default=16_384,
        ge=1,
        le=1_048_576,
        description="Longest token accepted, in bytes. OIDC tokens with many groups reach 12,000; the API server "
        "itself reads 1 MiB of headers. The dashboard that Binnacle replaces stopped at 2,000.",
    )
    token_verdict_seconds: Seconds = Field(
        default=5.0,
        ge=0,
        le=5,
        description="How long a verdict on a token counts, in seconds, yes or no, and never past the token's own "
        "`exp`. The API server keeps its own verdicts for 10 s already: more here lets a revoked token live longer "
        "still.",
    )
    allowed_seconds: Seconds = Field(
        default=10.0,
        gt=0,
        le=10,
        description="How long a permission counts, in seconds: what a removed RoleBinding can still show. It is asked "
        "again ahead of its end while it is in use. The API server's own delegated authorisers use 10 s.",
    )
    denied_seconds: Seconds = Field(
        default=60.0,
        gt=0,
        le=600,
        description="How long a denial counts, in seconds. Longer than a permission, because a late denial hides and "
        "never shows, and a user of one namespace is denied in all the others.",
    )
    denied_again_seconds: Seconds = Field(
        default=2.0,
        ge=0,
        le=60,
        description="When a query names a namespace or an object that was denied, it is asked again after this many "
        "seconds at the earliest: a right just granted is seen soon, and a loop of queries costs one review in it.",
    )
    reviews_in_flight: int = Field(
        default=32,
        ge=1,
        le=1_024,
        description="Reviews that the whole process has under way at once; more wait. 500 of them take 0.17 s so.",
    )
    review_timeout_seconds: Seconds = Field(
        default=0.9,
        gt=0,
        le=10,
        description="How long a request waits for its reviews, in seconds, connecting and queueing included: an API "
        "server that does not answer is an error 503 within 1 s. Clusters with slow token webhooks may need more.",
    )
    unreachable_pause_seconds: Seconds = Field(
        default=1.0,
        gt=0,
        le=60,
        description="After the API server gave no answer, nobody waits for it for this many seconds; then one review "
        "tries. A second is about how long its start takes, and the smallest Retry-After there is.",
    )
    tokens_cached: int = Field(
        default=8_192,
        ge=1,
        le=1_000_000,
        description="Verdicts kept, the least recently used leave first: about 1 KB each.",
    )
    answers_cached: int = Field(
        default=65_536,
        ge=1,
        le=10_000_000,
        description="Permission answers kept (one per user, verb, resource, namespace and name), the least recently "
        "used leave first: about 400 bytes each.",
    )
