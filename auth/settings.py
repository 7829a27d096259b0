"""The bounds within which this package works. No setting leaves it open: there is no such switch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


class AuthConfigError(Exception):
    """An authenticator cannot be made from its settings; `str()` is the one line that says why, with the key."""

    def __init__(self, key: str, value: object, problem: str) -> None:
        super().__init__(f"{key} is `{value}`: {problem}")


AuthenticatorName = Literal["token_review", "oidc", "token_file", "self_subject_review"]


class AuthSettings(BaseModel):
    """Each bound of authentication and authorisation, with its unit and the reason for its default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    authenticators: tuple[AuthenticatorName, ...] = Field(
        default=("token_review",),
        description="Who may know a token, asked in this order until one does: `token_review` (the API server, asked "
        "with the gateway's account), `oidc` (section `oidc`), `token_file` (`token_auth_file`); or "
        "`self_subject_review` alone: the API server, asked with the caller's own token, for their rights too.",
    )
    audiences: tuple[Text, ...] = Field(
        default=(),
        description="Audiences that a token may be meant for, in a TokenReview; by default the API server's own. A "
        "token for the gateway alone is of no use to whoever steals it from there.",
    )
    token_auth_file: Path | None = Field(
        default=None,
        description="File of the authenticator `token_file`, as kube-apiserver's: lines of "
        '`token,user,uid,"group1,group2"`. Read again when it changes.',
    )
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

    @model_validator(mode="after")
    def _one_picture_of_who_asks(self) -> Self:
        names = self.authenticators
        if not names:
            raise ValueError("`authenticators` must name one at least: nobody could come in")
        if len(set(names)) < len(names):
            raise ValueError("`authenticators` names one of them twice")
        if "self_subject_review" in names and len(names) > 1:
            raise ValueError(
                "`authenticators` has self_subject_review, which goes alone: others' users have no token that the API "
                "server would review them by"
            )
        if self.audiences and "token_review" not in names:
            raise ValueError("`audiences` are part of a TokenReview: `authenticators` must name token_review")
        if ("token_file" in names) != (self.token_auth_file is not None):
            raise ValueError("`authenticators` with token_file and `token_auth_file` need each other")
        return self


Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class OidcSettings(BaseModel):
    """One issuer of tokens, and what a token of it must say; the words are kube-apiserver's `--oidc-*` flags'."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str | None = Field(
        default=None,
        pattern=r"^https://[^\s?#]+$",
        description="Address of the issuer, exactly as its tokens have it in `iss`; its keys are found through "
        "`/.well-known/openid-configuration` below it.",
    )
    audiences: tuple[Text, ...] = Field(
        default=(),
        description="Audiences (`aud`, as a rule a client's id), one of which a token must be meant for.",
    )
    authorized_parties: tuple[Text, ...] = Field(
        default=(),
        description="Clients that a token may have been issued to (`azp`), where that is said, or where it is meant "
        "for several audiences; by default the `audiences`.",
    )
    algorithms: tuple[Algorithm, ...] = Field(
        default=("RS256",),
        min_length=1,
        description="Signature algorithms that are accepted. None of them is symmetric: no key of the issuer's is a "
        "secret that we could share.",
    )
    username_claim: Text = Field(
        default="sub",
        description="The claim that is the user's name. With `email`, a token whose `email_verified` is false is "
        "refused.",
    )
    username_prefix: Text | None = Field(
        default=None,
        description="Put before the name; `-` for nothing. By default the issuer and `#`, but nothing before an email "
        "address, as in kube-apiserver.",
    )
    groups_claim: Text | None = Field(
        default=None, description="The claim with the user's groups, a list or one name; by default there are none."
    )
    groups_prefix: Text | None = Field(default=None, description="Put before each group, such as `oidc:`.")
    required_claims: Mapping[str, str] = Field(
        default={}, description="Claims that a token must have with exactly these values, such as `{hd: example.com}`."
    )
    leeway_seconds: Seconds = Field(
        default=10.0,
        ge=0,
        le=300,
        description="How far the issuer's clock may be from ours, in seconds, for `exp`, `nbf` and `iat`.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificate authorities (PEM) that the issuer's certificate must come from; by default the "
        "system's. Read whenever the keys are fetched.",
    )
    keys_seconds: Seconds = Field(
        default=300.0,
        ge=1,
        le=86_400,
        description="The issuer's keys are fetched again when they are this old, in seconds: a key that it withdraws "
        "counts for twice as long at most. While it cannot be reached the last ones go on counting.",
    )
    keys_pause_seconds: Seconds = Field(
        default=5.0,
        ge=0.1,
        le=3_600,
        description="A token with an unknown key has the keys fetched at once, but not within so many seconds of the "
        "last time: made-up tokens must not become a flood of requests.",
    )
    timeout_seconds: Seconds = Field(
        default=5.0, gt=0, le=60, description="How long fetching the keys may take, in seconds."
    )

    @model_validator(mode="after")
    def _an_issuer_and_for_whom(self) -> Self:
        if self.issuer is None:
            if written := next(iter(sorted(self.model_fields_set - {"issuer"})), None):
                raise ValueError(f"`{written}` counts only together with `issuer`")
            return self
        if not self.audiences:
            raise ValueError("`issuer` needs `audiences`: else tokens for any of its clients would be accepted")
        for name in ("username_prefix", "groups_prefix"):
            if (getattr(self, name) or "").startswith("system:"):
                raise ValueError(f"`{name}` must not begin with system:, the cluster's own names")
        return self
