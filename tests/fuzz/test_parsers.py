"""Each parser of ours by itself, in pure Python: whatever the text, a value or the one exception that it promises.

A coverage-guided fuzzer (atheris 3) was tried on these functions, 50,000 to 800,000 texts each: it found nothing that
these do not find, and is a wheel of 33 MB for each version of Python.
"""

import base64
import contextlib
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from auth.authenticator import expiry
from auth.authenticators.issuer import IssuerUnreachable, _keys
from auth.authenticators.token_file import TokenFile
from auth.credentials import bearer_token, refuse_tokens_in
from auth.errors import ClientError
from auth.reviewers import _decoded, _TokenReview
from auth.settings import AuthConfigError
from gateway.http.graphql import _from_body, _json_parameter
from gateway.http.media import accepts_html, negotiate
from gateway.http.packing import matches, negotiate_encoding
from schema.asking.cursors import decode
from schema.asking.durations import duration
from schema.asking.selectors import field_selector, label_selector
from schema.sources.kubernetes.framing import Items, Lines, Malformed
from schema.sources.kubernetes.kinds import PODS, Decoder, OddObject
from schema.sources.kubernetes.objects import Sharing
from schema.sources.kubernetes.policy import status_of
from schema.sources.kubernetes.quantities import cores, whole
from schema.sources.prometheus.client import SourceError, _understood
from schema.sources.prometheus.vector import VECTOR

pytestmark = pytest.mark.thorough

PIECES = [
    "=",
    "==",
    "!=",
    "!",
    "(",
    ")",
    ",",
    ";",
    "q=",
    "*",
    "/",
    ".",
    " ",
    "\t",
    "\n",
    '"',
    "W/",
    "in",
    "notin",
    "bearer",
]
TEXT = st.text(max_size=60) | st.lists(
    st.sampled_from(PIECES) | st.text(string.ascii_letters + string.digits + "+-", max_size=5), max_size=12
).map("".join)
NUMBER = st.text("0123456789+-.eEKMGTPimnu", max_size=12)


def framed(body: bytes) -> None:
    items, lines = Items(), Lines()
    for start in range(0, len(body), 7):
        items.feed(body[start : start + 7])
        lines.feed(body[start : start + 7])
    items.end()


TAKE_TEXT: dict[str, tuple[Callable[[str], Any], type[Exception]]] = {
    "label selector": (label_selector, ClientError),
    "field selector": (field_selector, ClientError),
    "cursor": (lambda text: decode("after", text, b"k" * 32), ClientError),
    "duration": (lambda text: duration("olderThan", text), ClientError),
    "authorization": (
        lambda text: bearer_token([(b"authorization", text.encode("latin-1", "replace"))], limit=64),
        ClientError,
    ),
    "query string": (lambda text: refuse_tokens_in(text.encode()), ClientError),
    "expiry": (expiry, AssertionError),
    "accept": (lambda text: (negotiate(text), accepts_html(text)), AssertionError),
    "accept-encoding": (negotiate_encoding, AssertionError),
    "if-none-match": (lambda text: matches(text, 'W/"00"'), AssertionError),
    "list": (lambda text: framed(b'{"items": [' + text.encode("utf-8", "replace")), Malformed),
}


@settings(max_examples=200, deadline=None)
@given(text=TEXT)
@example("\0")
@example("9" * 5_000)
@example("a>" + "9" * 5_000)
@example("Bearer " + "=" * 100)
@example(";q=" + "9" * 400)
@example("a." + "A" * 300 + ".b")
@example('{"a":"' + "\\" * 50)
@example("[" * 5_000)
@pytest.mark.parametrize("name", TAKE_TEXT)
def test_texts(name: str, text: str):
    """From clients, and from the API server."""
    parse, promised = TAKE_TEXT[name]
    try:
        parse(text)
    except promised:
        assert promised is not AssertionError


@settings(max_examples=300, deadline=None)
@given(text=NUMBER | TEXT)
@example("1e" + "9" * 5_000)
@example("9" * 5_000)
@example("1e100")
@example("9" * 400 + "E")
def test_quantities(text: str):
    """A number that is one, or a ValueError; never one that takes long to work out."""
    for read in (cores, whole):
        with contextlib.suppress(ValueError, OverflowError):
            assert isinstance(read(text), (int, float))


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=80) | TEXT.map(lambda text: text.encode("utf-8", "replace")))
@example(content=b'a,b,c,"x\n')
@example(content=b"\xef\xbb\xbf,,,")
@example(content=b"t,u,0\0,g")
def test_token_files(content: bytes, tmp_path_factory: pytest.TempPathFactory):
    """A file of tokens, or one line that says which line of it is wrong, and nothing that stands in it."""
    path: Path = tmp_path_factory.getbasetemp() / "tokens.csv"
    path.write_bytes(content)
    said = ""
    try:
        TokenFile(path)
    except AuthConfigError as error:
        said = str(error)

    assert len(said.splitlines()) <= 1


def nested(before: str, depth: int, after: str) -> bytes:
    return (before + "[" * depth + "]" * depth + after).encode()


def token_with(claims: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"


READ_JSON: dict[str, tuple[Callable[[bytes], Any], type[Exception]]] = {
    "a request": (_from_body, ClientError),
    "a parameter": (lambda body: _json_parameter("variables", body.decode()), ClientError),
    "a token": (lambda body: expiry(token_with(body)), AssertionError),
    "a review": (lambda body: _decoded(body, _TokenReview), ClientError),
    "an issuer's keys": (_keys, IssuerUnreachable),
    "an answer of Prometheus": (lambda body: _understood(200, body, VECTOR), SourceError),
    "a pod": (lambda body: Decoder(PODS, Sharing()).decode(body), OddObject),
    "a status": (status_of, AssertionError),
    "a list": (framed, Malformed),
}


@pytest.mark.parametrize("depth", [50, 1_500, 20_000])
@pytest.mark.parametrize("name", READ_JSON)
def test_nested_json(name: str, depth: int):
    """Deeper than decoders go, in what is read and in what is skipped: refused like anything unexpected."""
    read, promised = READ_JSON[name]
    for before, after in (("", ""), ('{"metadata":{"name":', "}}"), ('{"query":"{a}","a":', "}"), ('{"items":[', "]}")):
        with contextlib.suppress(promised):
            read(nested(before, depth, after))
