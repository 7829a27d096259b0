"""Documents that are named instead of sent: automatic ones as Apollo's clients speak of them, and trusted ones."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from auth.errors import BadRequest
from gateway.http.persisted import Manifest, PersistedDocuments, UnknownDocumentError
from tests.front_door import ADMIN, VIEWER, Answer, FrontDoor, simulated_door

QUERY = "query Counted { cluster { nodeCount } }"
OTHER = "query Named { nodes { name } }"
COUNTED = {"cluster": {"nodeCount": 3}}
SPECIFIED = {"Accept": "application/graphql-response+json"}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def persisted(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": digest(text)}}


async def post(door: FrontDoor, token: str = ADMIN, headers: dict[str, str] | None = None, **body: Any) -> Answer:
    return await door.request("POST", "/graphql", token, json=body, headers=headers or {})


async def test_a_document_is_sent_once_and_named_from_then_on(front_door: FrontDoor):
    """Not known, sent with its hash, known: by POST and by GET, and to everybody."""
    unknown = await post(front_door, extensions=persisted(QUERY))
    assert (unknown.status, unknown.codes) == (200, ["PERSISTED_QUERY_NOT_FOUND"])
    assert unknown.errors[0]["message"] == "PersistedQueryNotFound"

    assert (await post(front_door, query=QUERY, extensions=persisted(QUERY))).data == COUNTED

    assert (await post(front_door, extensions=persisted(QUERY))).data == COUNTED
    assert (await post(front_door, VIEWER, extensions=persisted(QUERY))).data == COUNTED
    assert (await post(front_door, documentId=f"sha256:{digest(QUERY)}")).data == COUNTED
    got = await front_door.request("GET", "/graphql", ADMIN, params={"extensions": json.dumps(persisted(QUERY))})
    assert got.data == COUNTED
    assert got.headers["ETag"]


async def test_what_is_not_known_has_the_status_of_a_document_that_cannot_be_executed(front_door: FrontDoor):
    """400 with the specification's media type, 200 with the older one."""
    unknown = await post(front_door, headers=SPECIFIED, extensions=persisted(QUERY))

    assert (unknown.status, unknown.codes) == (400, ["PERSISTED_QUERY_NOT_FOUND"])


async def test_a_hash_is_the_documents_own(front_door: FrontDoor):
    """Nobody can put another document in its place."""
    wrong = await post(front_door, query=OTHER, extensions=persisted(QUERY))

    assert (wrong.status, wrong.codes) == (400, ["BAD_REQUEST"])
    assert (await post(front_door, extensions=persisted(QUERY))).codes == ["PERSISTED_QUERY_NOT_FOUND"]


async def test_only_documents_that_can_be_executed_are_kept(front_door: FrontDoor):
    """What does not fit the schema is refused again, and takes no memory."""
    wrong = "{ no such }"
    await post(front_door, query=wrong, extensions=persisted(wrong))

    assert (await post(front_door, extensions=persisted(wrong))).codes == ["PERSISTED_QUERY_NOT_FOUND"]


async def test_a_name_without_a_token_is_nobodys(front_door: FrontDoor):
    """Whether a document is known is not told to strangers."""
    assert (await front_door.request("POST", "/graphql", None, json={"extensions": persisted(QUERY)})).status == 401


@pytest.mark.parametrize(
    "body",
    [
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": digest(QUERY)}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": 7}}},
        {"extensions": {"persistedQuery": "x"}},
        {"query": QUERY, "documentId": f"sha256:{digest(QUERY)}"},
        {"extensions": {}},
    ],
)
async def test_a_name_that_is_none_is_a_bad_request(front_door: FrontDoor, body: dict[str, Any]):
    """Another version, no text, two documents, none."""
    answer = await front_door.request("POST", "/graphql", ADMIN, json=body)

    assert (answer.status, answer.codes) == (400, ["BAD_REQUEST"])


async def test_it_can_be_switched_off():
    """Clients are told in the words that make them stop."""
    async with simulated_door(server={"persisted_documents_bytes": 0}) as door:
        assert (await post(door, query=QUERY, extensions=persisted(QUERY))).data == COUNTED
        off = await post(door, extensions=persisted(QUERY))

    assert (off.codes, off.errors[0]["message"]) == (["PERSISTED_QUERY_NOT_SUPPORTED"], "PersistedQueryNotSupported")


MANIFESTS = {
    "graphql-codegen": {digest(QUERY): QUERY},
    "relay": {"5d41402abc4b2a76b9719d911017c592": QUERY},
    "apollo": {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{"id": digest(QUERY), "name": "Counted", "type": "query", "body": QUERY}],
    },
}


@pytest.mark.parametrize("kind", MANIFESTS)
async def test_trusted_documents_can_be_the_only_way_in(tmp_path: Path, kind: str):
    """By id, by hash or as text; no other document, no introspection, and nothing can be added."""
    (tmp_path / "trusted.json").write_text(json.dumps(MANIFESTS[kind]))
    server = {"trusted_documents": tmp_path / "trusted.json", "trusted_documents_only": True}
    async with simulated_door(server=server) as door:
        if kind == "relay":
            assert (await post(door, documentId="5d41402abc4b2a76b9719d911017c592")).data == COUNTED
        assert (await post(door, extensions=persisted(QUERY))).data == COUNTED
        assert (await post(door, documentId=f"sha256:{digest(QUERY)}")).data == COUNTED
        assert (await post(door, query=QUERY)).data == COUNTED
        for text in (OTHER, "{ __schema { queryType { name } } }", QUERY + " "):
            refused = await post(door, query=text, extensions=persisted(text), headers=SPECIFIED)
            assert (refused.status, refused.codes) == (400, ["DOCUMENT_NOT_TRUSTED"])
            assert (await post(door, extensions=persisted(text))).codes == ["PERSISTED_QUERY_NOT_FOUND"]


async def test_trusted_documents_stand_beside_others_unless_said(tmp_path: Path):
    """A first step: the application names its documents, people go on asking what they like."""
    (tmp_path / "trusted.json").write_text(json.dumps({"counted": QUERY}))
    async with simulated_door(server={"trusted_documents": tmp_path / "trusted.json"}) as door:
        assert (await post(door, documentId="counted")).data == COUNTED
        assert len((await post(door, query=OTHER)).data["nodes"]) == 3


def test_automatic_documents_are_kept_within_a_bound():
    """The one that was not used for longest is forgotten first; one that is longer than all room is not kept."""
    documents = PersistedDocuments(None, only_trusted=False, bound=len(QUERY) + len(OTHER) + 10)

    def known(text: str) -> bool:
        try:
            return documents.text(None, None, persisted(text)) == text
        except UnknownDocumentError:
            return False

    for text in (QUERY, OTHER, "x" * 1_000):
        documents.keep(text, persisted(text))
    assert (known(OTHER), known(QUERY), known("x" * 1_000)) == (True, True, False)

    documents.keep("{ cluster { podCount } }", persisted("{ cluster { podCount } }"))
    assert (known(OTHER), known(QUERY)) == (False, True)


def test_a_request_without_a_document_is_told_what_is_missing():
    """As before: `query` is what most clients send."""
    with pytest.raises(BadRequest, match="`query` is missing"):
        PersistedDocuments(None, only_trusted=False, bound=0).text("", None, None)


@pytest.mark.parametrize("content", ["", "[]", '{"id": 7}', '{"format": "apollo-persisted-query-manifest"}', "\xff"])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, content: str):
    """At the start, with what was expected."""
    (tmp_path / "trusted.json").write_bytes(content.encode("latin-1"))

    with pytest.raises(ValueError, match="a JSON object of ids and documents, or Apollo's manifest"):
        Manifest.read(tmp_path / "trusted.json")
