"""What a request to the API server is about, and the options of a LIST or WATCH, read as kube-apiserver reads them."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from gateway.demo.accounts import Attempt
from gateway.demo.statuses import Refusal, bad_request, internal_error, invalid

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}
_TRUE = frozenset({"true", "1", "t", "True", "TRUE", "T"})
_NOT_OLDER_THAN = "NotOlderThan"
_EXACT = "Exact"
METRICS = "metrics.k8s.io"
"""The one group whose resources are called as those of the core group are."""


@dataclass(frozen=True, slots=True)
class Target:
    """`resource` is empty for paths outside the resource API. `name` is the object's, or the only one that a field
    selector asks for: that is what the API server's authorizers see.
    """

    verb: str
    path: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def attempt(self) -> Attempt:
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return Attempt(self.verb, f"{resource}.{self.group}" if self.group else resource, self.namespace, self.name)

    @property
    def label(self) -> str:
        """What requests are counted by: `list pods`, `create tokenreviews`, `list pods.metrics.k8s.io`, or the path."""
        if not self.resource:
            return self.path
        return f"{self.verb} {self.resource}.{self.group}" if self.group == METRICS else f"{self.verb} {self.resource}"

    def forbidden_to(self, username: str) -> str:
        """The API server's sentence for it."""
        if not self.resource:
            return f'User "{username}" cannot {self.verb} path "{self.path}"'
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        where = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        return f'User "{username}" cannot {self.verb} resource "{resource}" in API group "{self.group}" {where}'


def target(method: str, path: str, query: Mapping[str, str]) -> Target:
    verb = _VERBS.get(method, method.lower())
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["api", "v1", *rest] if rest:
            return _resource_target(verb, path, "", rest, query)
        case ["apis", group, _, *rest] if rest:
            return _resource_target(verb, path, group, rest, query)
        case _:
            return Target(verb, path)


def _resource_target(verb: str, path: str, group: str, rest: list[str], query: Mapping[str, str]) -> Target:
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2:
            rest = rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    if not name and verb == "get":
        verb = "watch" if query.get("watch") in _TRUE else "list"
        name = _name_selected(query.get("fieldSelector", ""))
    elif not name and verb == "delete":
        verb = "deletecollection"
    return Target(verb, path, group, resource, namespace, name, subresource)


def _name_selected(field_selector: str) -> str:
    for requirement in field_selector.split(","):
        key, _, value = requirement.partition("=")
        if key.strip() == "metadata.name":
            return value.removeprefix("=").strip()
    return ""


@dataclass(frozen=True, slots=True)
class Position:
    """Where the next page of a list begins. `revision` -1: wherever the cluster is now, consistent or not."""

    revision: int
    start: str

    def token(self) -> str:
        encoded = orjson.dumps({"v": "meta.k8s.io/v1", "rv": self.revision, "start": self.start})
        return base64.urlsafe_b64encode(encoded).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The query of a LIST or WATCH; `version` is None for "" (the newest) and 0 for "any"."""

    version: int | None
    exact: bool
    limit: int
    position: Position | None
    label_selector: str
    field_selector: str
    bookmarks: bool
    timeout: float | None
    """Seconds after which a watch ends by itself."""
    initial_events: bool | None


def list_options(query: Mapping[str, str], *, watch: bool, watch_list: bool) -> ListOptions:
    """Raises the API server's own refusal where options contradict each other; `watch_list`: streaming lists are on."""
    _validate(query, watch=watch, watch_list=watch_list)
    if query.get("continue") and query.get("resourceVersion"):
        raise bad_request("specifying resource version is not allowed when using continue")
    version = _version(query.get("resourceVersion", ""), watch=watch)
    limit = _whole_number(query.get("limit", "")) or 0
    # The watch cache has always ignored a limit at version 0; a limit at any other version means exactly that version.
    legacy_exact = limit > 0 and bool(version) and "resourceVersionMatch" not in query
    timeout = _whole_number(query.get("timeoutSeconds", ""))
    initial_events = query.get("sendInitialEvents")
    return ListOptions(
        version=version,
        exact=query.get("resourceVersionMatch") == _EXACT or legacy_exact,
        limit=0 if version == 0 else limit,
        position=_position(query["continue"]) if query.get("continue") else None,
        label_selector=query.get("labelSelector", ""),
        field_selector=query.get("fieldSelector", ""),
        bookmarks=query.get("allowWatchBookmarks") in _TRUE,
        timeout=float(timeout) if timeout else None,
        initial_events=None if initial_events is None else initial_events in _TRUE,
    )


def _validate(query: Mapping[str, str], *, watch: bool, watch_list: bool) -> None:
    causes = list(_watch_causes(query, watch_list=watch_list) if watch else _list_causes(query))
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", causes)


def _list_causes(query: Mapping[str, str]) -> list[tuple[str, str, str]]:
    causes = []
    match = query.get("resourceVersionMatch", "")
    if match:
        if not query.get("resourceVersion"):
            causes.append(_not_allowed("resourceVersionMatch", "is forbidden unless resourceVersion is provided"))
        if query.get("continue"):
            causes.append(_not_allowed("resourceVersionMatch", "is forbidden when continue is provided"))
        if match not in (_EXACT, _NOT_OLDER_THAN):
            causes.append(_unsupported_match(match, f'"{_EXACT}", "{_NOT_OLDER_THAN}", ""'))
        if match == _EXACT and query.get("resourceVersion") == "0":
            causes.append(_not_allowed("resourceVersionMatch", '"exact" is forbidden for resourceVersion "0"'))
    if "sendInitialEvents" in query:
        causes.append(_not_allowed("sendInitialEvents", "is forbidden for list"))
    return causes


def _watch_causes(query: Mapping[str, str], *, watch_list: bool) -> list[tuple[str, str, str]]:
    causes = []
    match = query.get("resourceVersionMatch", "")
    if "sendInitialEvents" in query:
        if match != _NOT_OLDER_THAN:
            sentence = f"sendInitialEvents requires setting resourceVersionMatch to {_NOT_OLDER_THAN}"
            causes.append(("FieldValueForbidden", f"Forbidden: {sentence}", "resourceVersionMatch"))
        if not watch_list:
            rule = "is forbidden for watch unless the WatchList feature gate is enabled"
            causes.append(_not_allowed("sendInitialEvents", rule))
    if match:
        if "sendInitialEvents" not in query:
            rule = "is forbidden for watch unless sendInitialEvents is provided"
            causes.append(_not_allowed("resourceVersionMatch", rule))
        if match != _NOT_OLDER_THAN:
            causes.append(_unsupported_match(match, f'"{_NOT_OLDER_THAN}"'))
        if query.get("continue"):
            causes.append(_not_allowed("resourceVersionMatch", "is forbidden when continue is provided"))
    return causes


def _not_allowed(field: str, rule: str) -> tuple[str, str, str]:
    return "FieldValueForbidden", f"Forbidden: {field} {rule}", field


def _unsupported_match(match: str, supported: str) -> tuple[str, str, str]:
    message = f'Unsupported value: "{match}": supported values: {supported}'
    return "FieldValueNotSupported", message, "resourceVersionMatch"


def _version(text: str, *, watch: bool) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        mistake = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise internal_error(mistake) if watch else bad_request(f"invalid resource version: {mistake}")
    return int(text)


def _whole_number(text: str) -> int | None:
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _position(token: str) -> Position:
    try:
        decoded = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return Position(int(decoded["rv"]), str(decoded["start"]))
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise _bad_token() from None


def _bad_token() -> Refusal:
    return bad_request("invalid continue token: continue key is not valid")
