"""Documents that are named instead of sent, and documents that alone may be asked.

Two ways lead to a document's text:

    automatic   the first request brings text and SHA-256, later ones the SHA-256 alone, as Apollo's clients do it
                (`extensions.persistedQuery`). Kept in memory within a bound; whoever asks a process that does not know
                it, such as another replica, is told so and sends the text again
    trusted     the documents of an application's build, read from a file at the start: the map of graphql-codegen and
                Relay ({id: text}) or Apollo's manifest. They may be made the only ones that are answered

A document is named by `documentId` (GraphQL over HTTP, Appendix A: `sha256:` and the hash, or an id of the file) or by
`extensions.persistedQuery.sha256Hash`.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, final

import msgspec

from auth.errors import BadRequest, ClientError, Code

_APOLLO: Final = "apollo-persisted-query-manifest"
_SHA256: Final = "sha256:"


class UnknownDocumentError(ClientError):
    """The message and the code are what Apollo's and urql's clients look for before they send the text."""

    code = Code.PERSISTED_QUERY_NOT_FOUND

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


class UnkeptDocumentError(ClientError):
    """Told to clients that would go on trying."""

    code = Code.PERSISTED_QUERY_NOT_SUPPORTED

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotSupported")


class UntrustedDocumentError(ClientError):
    """Only documents of the file are answered, and this is none of them."""

    code = Code.DOCUMENT_NOT_TRUSTED

    def __init__(self) -> None:
        super().__init__("This gateway answers trusted documents only, and this is none of them")


class Manifest(msgspec.Struct, frozen=True):
    """Trusted documents by their ids."""

    documents: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """Raises ValueError for what is no such file, OSError for one that cannot be read."""
        try:
            content = msgspec.json.decode(path.read_bytes())
            if isinstance(content, dict) and content.get("format") == _APOLLO:
                operations = msgspec.convert(content["operations"], list[_Operation])
                return cls({operation.id: operation.body for operation in operations})
            return cls(msgspec.convert(content, dict[str, str]))
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as error:
            raise ValueError(f"it must be a JSON object of ids and documents, or Apollo's manifest: {error}") from None


class _Operation(msgspec.Struct, frozen=True):
    id: str
    body: str


@final
class PersistedDocuments:
    """The texts behind names. Promised: no more than `bound` bytes of automatic ones; a text is what its hash says."""

    def __init__(self, trusted: Manifest | None, *, only_trusted: bool, bound: int) -> None:
        texts = trusted.documents if trusted is not None else {}
        self._trusted = {**{_hash(text): text for text in texts.values()}, **texts}
        self._only_trusted = only_trusted
        self._bound = bound
        self._automatic: OrderedDict[str, str] = OrderedDict()
        self._size = 0

    def text(self, query: str | None, document_id: str | None, extensions: Mapping[str, Any] | None) -> str:
        """The document to execute. Raises the errors above, and BadRequest for a request that names none, or two."""
        name = document_id or _apollos_hash(extensions)
        if not query:
            if name is None:
                raise BadRequest("`query` is missing: send the document to execute")
            return self._named(name.removeprefix(_SHA256))
        if document_id:
            raise BadRequest("`query` and `documentId` name two documents; send one of them")
        digest = _hash(query) if name is not None or self._only_trusted else None
        if name is not None and name != digest:
            raise BadRequest("`extensions.persistedQuery.sha256Hash` is not the SHA-256 of `query`")
        if self._only_trusted and digest not in self._trusted:
            raise UntrustedDocumentError
        return query

    def keep(self, query: str | None, extensions: Mapping[str, Any] | None) -> None:
        """Remember what has been sent with its hash, once it has proved to be a document that can be executed."""
        name = _apollos_hash(extensions)
        if not query or name is None or self._only_trusted or name in self._automatic:
            return
        size = len(query.encode())
        if size > self._bound:
            return
        self._automatic[name] = query
        self._size += size
        while self._size > self._bound:
            _, forgotten = self._automatic.popitem(last=False)
            self._size -= len(forgotten.encode())

    def _named(self, name: str) -> str:
        text = self._trusted.get(name) or self._automatic.get(name)
        if text is None:
            raise UnknownDocumentError if self._bound or self._trusted else UnkeptDocumentError
        if name in self._automatic:
            self._automatic.move_to_end(name)
        return text


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _apollos_hash(extensions: Mapping[str, Any] | None) -> str | None:
    """The hash in `extensions.persistedQuery`, if there is one."""
    asked = (extensions or {}).get("persistedQuery")
    if asked is None:
        return None
    if not isinstance(asked, dict) or asked.get("version") != 1 or not isinstance(asked.get("sha256Hash"), str):
        raise BadRequest('`extensions.persistedQuery` must be {version: 1, sha256Hash: "…"}')
    digest: str = asked["sha256Hash"]
    return digest.lower()
