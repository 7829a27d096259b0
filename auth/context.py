"""What belongs to one request and is known before its document is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from auth.identity import Identity


@dataclass(slots=True)
class RequestContext:
    """Handed to the schema as Strawberry's context, a new one for each request.

    `headers` are the request's own, as ASGI gives them (bytes, any case). They hold the token: kept out of the repr,
    because contexts end up in logs and tracebacks. `identity` is set by whoever verified the token, last of all the
    schema's own extension.
    """

    headers: Sequence[tuple[bytes, bytes]] = field(repr=False)
    request_id: str = ""
    identity: Identity | None = None
