"""GraphQL over HTTP: POST with a JSON body, GET for queries.

https://graphql.github.io/graphql-over-http/draft/
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from typing import Any, Final, final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from auth.errors import BadRequest, ClientError, Code
from gateway import logs
from gateway.config import ServerSettings
from gateway.http.admission import Admission
from gateway.http.answers import Answer, AnswerResponse, answer, client_error, pieces, present, refusal_headers, refuse
from gateway.http.media import MediaType, header, negotiate
from gateway.http.packing import Packing
from gateway.http.persisted import (
    Manifest,
    PersistedDocuments,
    UnkeptDocumentError,
    UnknownDocumentError,
    UntrustedDocumentError,
)
from gateway.http.shared_secret import SharedSecret
from gateway.http.unsent import OwnUnread, Unread, Unsent
from gateway.http.vigil import ClientGone, watched
from gateway.telemetry.request import of
from schema.execution.context import GraphContext
from schema.execution.observer import Phase
from schema.execution.versions import NO_VERSIONS, VersionsAsked
from schema.schema import GatewaySchema

_JSON: Final = "application/json"
_ALLOWED: Final = "GET, POST"
_STREAMS: Final = ("text/event-stream", "multipart/mixed")
CLIENT_GONE: Final = 499  # nobody reads it: it is for the log, and nginx' word for what happened
_GET_OPERATIONS: Final = (OperationType.QUERY,)
_POST_OPERATIONS: Final = (OperationType.QUERY, OperationType.MUTATION)


class GraphQLRequest(msgspec.Struct, frozen=True, rename="camel"):
    """The parameters of a request; everything else in its body is ignored, as the specification wants."""

    query: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None
    document_id: str | None = None


class MethodNotAllowed(BadRequest):
    status = 405


class NotAcceptable(BadRequest):
    status = 406


class BodyTooLarge(BadRequest):
    status = 413


class UnsupportedMediaType(BadRequest):
    status = 415


@final
class GraphQLEndpoint:
    """Executes the requests that passed the first lock, and turns their results into answers."""

    def __init__(self, schema: GatewaySchema, worker: Executor, settings: ServerSettings, admission: Admission) -> None:
        self._schema = schema
        self._worker = worker
        self._settings = settings
        self._admission = admission
        self._packing = Packing(worker, SharedSecret.read(settings.shared_secret_file).key("entity tags"))
        self._unsent = Unsent(settings.unsent_bytes)
        trusted = settings.trusted_documents
        self._persisted = PersistedDocuments(
            None if trusted is None else Manifest.read(trusted),
            only_trusted=settings.trusted_documents_only,
            bound=settings.persisted_documents_bytes,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._respond(request)
        if not (isinstance(response, AnswerResponse) and response.long):
            await response(scope, receive, send)
            return
        try:
            with self._unsent.hold(scope["user"], response.pieces):
                await response(scope, receive, send)
        except (Unread, OwnUnread) as error:
            of(scope).refused(error.code, error.refused_for)
            media_type = negotiate(header(request.scope, b"accept")) or MediaType.JSON
            await refuse(error, media_type)(scope, receive, send)

    async def _respond(self, request: Request) -> AnswerResponse | Response:
        media_type = negotiate(header(request.scope, b"accept"))
        observed = of(request.scope)
        try:
            _refuse_upgrade(request)
            if media_type is None:
                raise NotAcceptable(f"The answer can be {' or '.join(MediaType)}; {_what_else(request)}")
            with observed.phase(Phase.READ):
                asked = await self._read(request)
            text = observed.document = self._persisted.text(asked.query, asked.document_id, asked.extensions)
            again = self._again(request, asked, text, media_type)
            if again is not None:
                return again
            work = self._in_turn(request, asked, text, media_type)
            return await watched(request, work, self._settings.request_seconds)
        except (ClientGone, ClientDisconnect):
            return Response(status_code=CLIENT_GONE)
        except MethodNotAllowed as error:
            observed.refused(error.code, error.refused_for)
            return refuse(error, media_type or MediaType.JSON, {"Allow": _ALLOWED})
        except (UnknownDocumentError, UnkeptDocumentError, UntrustedDocumentError) as error:
            observed.refused(error.code, error.refused_for)
            return _not_executed(error, media_type or MediaType.JSON)
        except ClientError as error:
            observed.refused(error.code, error.refused_for)
            return refuse(error, media_type or MediaType.JSON)

    def _again(
        self, request: Request, asked: GraphQLRequest, text: str, media_type: MediaType
    ) -> AnswerResponse | None:
        """The answer to what was asked before, if nothing has changed. It takes no place, as it waits for nothing.

        None also where something must be made of it that takes its time: that is done in turn.
        """
        if VersionsAsked.of(asked.extensions) != NO_VERSIONS:
            return None
        observed = of(request.scope)
        found = self._schema.again.find(
            request.scope["identity"], text, asked.operation_name, asked.variables, observed
        )
        if found is None:
            return None
        with observed.phase(Phase.ENCODE):
            body: dict[str, Any] = {"data": found.answer.data}
            if found.answer.errors:
                body["errors"] = present(found.answer.errors)
            response = self._packing.at_once(request, Answer(pieces(body), media_type))
        if response is not None:
            found.tell(observed)
            observed.errors(_codes(body))
            self._persisted.keep(asked.query, asked.extensions)
            if asked.operation_name:
                logs.bind(operation=asked.operation_name)
        return response

    async def _in_turn(
        self, request: Request, asked: GraphQLRequest, text: str, media_type: MediaType
    ) -> AnswerResponse:
        observed = of(request.scope)
        async with AsyncExitStack() as place:
            with observed.phase(Phase.WAIT):
                await place.enter_async_context(self._admission.place(request.scope["user"]))
            given = await self._execute(request, asked, text, media_type)
            with observed.phase(Phase.ENCODE):
                return await self._packing.pack(request, given)

    async def _read(self, request: Request) -> GraphQLRequest:
        match request.method:
            case "GET":
                return _from_url(request)
            case "POST":
                return _from_body(await self._body(request))
            case _:
                raise MethodNotAllowed(f"{request.method} is not how GraphQL is asked; use POST, or GET for queries")

    async def _body(self, request: Request) -> bytes:
        """The JSON body, never more of it than the limit."""
        _check_content_type(request)
        limit = self._settings.body_limit_bytes
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunks.append(message["body"])
            size += len(chunks[-1])
            if size > limit:
                raise BodyTooLarge(f"The body is longer than {limit} bytes", limit=limit)
            more = message.get("more_body", False)
        return b"".join(chunks)

    async def _execute(self, request: Request, asked: GraphQLRequest, text: str, media_type: MediaType) -> Answer:
        observed = of(request.scope)
        context = GraphContext(
            headers=request.scope["headers"],
            request_id=request.scope["request_id"],
            observer=observed,
            versions=VersionsAsked.of(asked.extensions),
        )
        if asked.operation_name:
            logs.bind(operation=asked.operation_name)
        result = await self._schema.execute(
            text,
            variable_values=asked.variables,
            context_value=context,
            operation_name=asked.operation_name,
            allowed_operation_types=_GET_OPERATIONS if request.method == "GET" else _POST_OPERATIONS,
        )
        with observed.phase(Phase.ENCODE):
            body = _body_of(result)
            if isinstance(result, PreExecutionError):
                observed.refused(_codes(body)[0], _refused_for(result))
            else:
                observed.errors(_codes(body))
                self._persisted.keep(asked.query, asked.extensions)
            if context.large:  # some megabytes: their encoding would hold up small answers as their execution would
                loop = asyncio.get_running_loop()
                encoded = await loop.run_in_executor(self._worker, pieces, body)
                return Answer(encoded, media_type)
            return _answer(result, body, media_type)


def _refused_for(result: ExecutionResult) -> str:
    first = client_error(result.errors[0]) if result.errors else None
    return "" if first is None else first.refused_for


def _answer(result: ExecutionResult, body: dict[str, object], media_type: MediaType) -> Answer:
    if not isinstance(result, PreExecutionError):
        return Answer(pieces(body), media_type)
    errors = [error for error in map(client_error, result.errors or ()) if error is not None]
    if errors:
        status = max(error.status for error in errors)
        if status != 200:
            return Answer(pieces(body), media_type, status, refusal_headers(errors[0]))
    return Answer(pieces(body), media_type, _not_executed_status(media_type))


def _codes(body: Mapping[str, Any]) -> list[str]:
    """Of the errors that stand in the answer."""
    return [str((error.get("extensions") or {}).get("code", Code.INTERNAL)) for error in body.get("errors", ())]


def _not_executed_status(media_type: MediaType) -> int:
    """A document that cannot be executed: the old media type says so in the body alone, as its clients expect."""
    return 200 if media_type is MediaType.JSON else 400


def _not_executed(error: ClientError, media_type: MediaType) -> AnswerResponse:
    body = {"errors": [error.formatted]}
    return answer(pieces(body), media_type, _not_executed_status(media_type))


def _body_of(result: ExecutionResult) -> dict[str, Any]:
    """`data` is absent, not null, when nothing was executed (GraphQL specification, Response Format)."""
    body: dict[str, Any] = {} if isinstance(result, PreExecutionError) else {"data": result.data}
    if result.errors:
        body["errors"] = present(result.errors)
    if result.extensions:
        body["extensions"] = result.extensions
    return body


def _refuse_upgrade(request: Request) -> None:
    """Say what is not served, instead of answering as if nobody had asked for it: such a client would wait."""
    if "websocket" in (header(request.scope, b"upgrade") or "").lower():
        raise BadRequest("WebSocket is not served, as there are no subscriptions; send queries by POST or GET")


def _what_else(request: Request) -> str:
    accept = (header(request.scope, b"accept") or "").lower()
    stream = next((kind for kind in _STREAMS if kind in accept), None)
    return f"{stream} is not served, as there are no subscriptions" if stream else "Accept names neither"


def _check_content_type(request: Request) -> None:
    given = header(request.scope, b"content-type") or ""
    if given != _JSON:
        _check_json(given)
    if (header(request.scope, b"content-encoding") or "identity").lower() != "identity":
        raise UnsupportedMediaType("The body must not be compressed")


def _check_json(content_type: str) -> None:
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if kind != _JSON:
        raise UnsupportedMediaType(f"The body must be application/json, not {kind or 'nothing'}")
    charsets = [part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset=")]
    if any(charset not in ("utf-8", "utf8") for charset in charsets):
        raise UnsupportedMediaType(f"The body must be encoded as UTF-8, not {charsets[0]}")


def _from_body(body: bytes) -> GraphQLRequest:
    try:
        return msgspec.json.decode(body, type=GraphQLRequest)
    except msgspec.ValidationError as error:
        if body.lstrip().startswith(b"["):
            raise BadRequest("Several operations in one request are not supported; send one JSON object") from None
        raise BadRequest(f"The body is not a GraphQL request: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The body is not JSON: {error}") from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply") from None


def _from_url(request: Request) -> GraphQLRequest:
    parameters = request.query_params
    return GraphQLRequest(
        parameters.get("query"),
        parameters.get("operationName") or None,
        _json_parameter("variables", parameters.get("variables")),
        _json_parameter("extensions", parameters.get("extensions")),
        parameters.get("documentId") or None,
    )


def _json_parameter(name: str, text: str | None) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, Any] | None)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadRequest(f"`{name}` is not a JSON object: {error}", parameter=name) from None
    except RecursionError:
        raise BadRequest(f"`{name}` is nested too deeply", parameter=name) from None
