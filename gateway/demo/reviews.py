"""TokenReview and SubjectAccessReview: who a token belongs to, and what somebody may do; and both about oneself."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from gateway.demo.accounts import Account, Accounts, Attempt
from gateway.demo.statuses import bad_request, invalid

AUDIENCE = "https://kubernetes.default.svc"
"""What tokens are issued for, and what a review without audiences asks about."""


def decode_review(body: bytes, kind: str) -> dict[str, Any]:
    """The `spec` of a posted review; 400 for what is not JSON, or another kind."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        reason = f"couldn't get version/kind; json parse error: {error}"
        raise bad_request(f"the object provided is unrecognized (must be of type {kind}): {reason}") from None
    if not isinstance(document, dict) or document.get("kind", kind) != kind:
        raise bad_request(f"the object provided is unrecognized (must be of type {kind})")
    spec = document.get("spec")
    return spec if isinstance(spec, dict) else {}


def review_token(accounts: Accounts, spec: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The token that was asked about, and the answered TokenReview."""
    token = str(spec.get("token", ""))
    if not token:
        raise bad_request("token is required for TokenReview in authentication")
    account = accounts.whose(token)
    asked = spec.get("audiences") or [AUDIENCE]
    status: dict[str, Any]
    if account is None:
        status = {"user": {}, "error": "invalid bearer token"}
    elif AUDIENCE not in asked:
        error = f"token audiences {_quoted([AUDIENCE])} is invalid for the target audiences {_quoted(asked)}"
        status = {"user": {}, "error": f"[invalid bearer token, {error}]"}
    else:
        status = {"authenticated": True, "user": account.user_info(), "audiences": [AUDIENCE]}
    return token, _review("TokenReview", "authentication.k8s.io/v1", spec, status)


def review_access(accounts: Accounts, spec: Mapping[str, Any]) -> tuple[str, Attempt, bool, dict[str, Any]]:
    """Who asked for what, whether they may, and the answered SubjectAccessReview."""
    _validate(spec)
    username, groups = str(spec.get("user", "")), [str(group) for group in spec.get("groups") or ()]
    attempt = _attempt(spec)
    allowed = accounts.allows(username, groups, attempt)
    answer = _review("SubjectAccessReview", "authorization.k8s.io/v1", spec, _decision(username, allowed=allowed))
    return username, attempt, allowed, answer


def review_self(account: Account) -> dict[str, Any]:
    """The SelfSubjectReview of whoever asks."""
    review = _review("SelfSubjectReview", "authentication.k8s.io/v1", {}, {"userInfo": account.user_info()})
    return {key: value for key, value in review.items() if key != "spec"}


def review_own_access(
    accounts: Accounts, account: Account, spec: Mapping[str, Any]
) -> tuple[str, Attempt, bool, dict[str, Any]]:
    """Who asked for what for themselves, whether they may, and the answered SelfSubjectAccessReview."""
    _validate(spec, subject=False)
    attempt = _attempt(spec)
    allowed = accounts.allows(account.username, account.groups, attempt)
    status = _decision(account.username, allowed=allowed)
    answer = _review("SelfSubjectAccessReview", "authorization.k8s.io/v1", spec, status)
    return account.username, attempt, allowed, answer


def _decision(username: str, *, allowed: bool) -> dict[str, Any]:
    if not allowed:
        return {"allowed": False}
    binding = 'ClusterRoleBinding "simulated" of ClusterRole "simulated"'
    return {"allowed": True, "reason": f'RBAC: allowed by {binding} to User "{username}"'}


def _attempt(spec: Mapping[str, Any]) -> Attempt:
    if path := spec.get("nonResourceAttributes"):
        return Attempt(str(path.get("verb", "")), str(path.get("path", "")))
    attributes = {key: str(value) for key, value in spec["resourceAttributes"].items()}
    resource = attributes.get("resource", "")
    if attributes.get("subresource"):
        resource = f"{resource}/{attributes['subresource']}"
    if attributes.get("group"):
        resource = f"{resource}.{attributes['group']}"
    return Attempt(attributes.get("verb", ""), resource, attributes.get("namespace", ""), attributes.get("name", ""))


def _validate(spec: Mapping[str, Any], *, subject: bool = True) -> None:
    causes = []
    if bool(spec.get("resourceAttributes")) is bool(spec.get("nonResourceAttributes")):
        rule = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        causes.append(("FieldValueInvalid", f"Invalid value: null: {rule}", "spec"))
    if subject and not spec.get("user") and not spec.get("groups"):
        rule = "at least one of user or group must be specified"
        causes.append(("FieldValueInvalid", f'Invalid value: "": {rule}', "spec.user"))
    if causes:
        raise invalid("", "authorization.k8s.io", causes)  # the real one leaves the kind out, too


def _quoted(audiences: Iterable[object]) -> str:
    return "[" + " ".join(f'"{audience}"' for audience in audiences) + "]"


def _review(kind: str, api_version: str, spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "apiVersion": api_version, "metadata": {}, "spec": dict(spec), "status": dict(status)}
