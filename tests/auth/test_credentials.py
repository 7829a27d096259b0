"""What counts as one bearer token, and the error of everything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.credentials import bearer_token, refuse_tokens_in
from auth.errors import ClientError, IdentityHeaderRefused, TokenInAddress, TokenMissing, Unauthenticated
from tests.auth.fake_api import bearer

LIMIT = 20

Headers = list[tuple[bytes, bytes]]


def one(value: bytes) -> Headers:
    return [(b"authorization", value)]


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        (one(b"Bearer abc.def-_~+/="), "abc.def-_~+/="),
        (one(b"bearer abc"), "abc"),
        (one(b"BEARER abc"), "abc"),
        (one(b"Bearer   abc"), "abc"),
        (one(b" \tBearer abc \t"), "abc"),
        ([(b"Authorization", b"Bearer abc")], "abc"),
        (one(b"Bearer " + b"x" * LIMIT), "x" * LIMIT),
        ([(b"x-forwarded-for", b"10.0.0.1"), *one(b"Bearer abc")], "abc"),
    ],
)
def test_one_well_formed_header_gives_its_token(headers: Headers, token: str) -> None:
    """The scheme's case, spaces around it and the header's case do not matter."""
    assert bearer_token(headers, limit=LIMIT) == token


@pytest.mark.parametrize(
    ("headers", "reason", "sentence"),
    [
        ([], "MISSING", "No token was sent"),
        ([(b"cookie", b"token=abc")], "MISSING", "No token was sent"),
        ([(b"x-authorization", b"Bearer abc")], "MISSING", "No token was sent"),
        (one(b""), "MALFORMED", "does not begin with `Bearer`"),
        (one(b"abc"), "MALFORMED", "does not begin with `Bearer`"),
        (one(b"Basic YTpi"), "MALFORMED", "does not begin with `Bearer`"),
        (one(b"Bearerabc"), "MALFORMED", "does not begin with `Bearer`"),
        (one(b"Bearer\tabc"), "MALFORMED", "does not begin with `Bearer`"),
        (one(b"Bearer"), "MALFORMED", "has no token"),
        (one(b"Bearer   "), "MALFORMED", "has no token"),
        (one(b"Bearer a b"), "MALFORMED", "characters"),
        (one(b"Bearer a,Bearer b"), "MALFORMED", "characters"),
        (one(b"Bearer a,b"), "MALFORMED", "characters"),
        (one("Bearer schlüssel".encode()), "MALFORMED", "characters"),
        (one(b"Bearer a\x00b"), "MALFORMED", "characters"),
        (one(b"Bearer a\nb"), "MALFORMED", "characters"),
        (one(b"Bearer ab\x7f"), "MALFORMED", "characters"),
        (one(b"Bearer a") + one(b"Bearer a"), "MALFORMED", "was sent 2 times"),
        ([*one(b"Bearer a"), (b"AUTHORIZATION", b"Bearer b")], "MALFORMED", "was sent 2 times"),
        (one(b"Bearer " + b"x" * (LIMIT + 1)), "TOO_LONG", "is 21 bytes long; this gateway accepts 20"),
        (one(b"Bearer " + b"\x00" * (LIMIT + 1)), "TOO_LONG", "is 21 bytes long; this gateway accepts 20"),
    ],
)
def test_everything_else_has_its_own_clear_error(headers: Headers, reason: str, sentence: str) -> None:
    """Each mistake says what it is, as a reason for programs and a sentence for people."""
    with pytest.raises(Unauthenticated) as caught:
        bearer_token(headers, limit=LIMIT)

    assert caught.value.extensions is not None
    assert caught.value.extensions["code"] == "UNAUTHENTICATED"
    assert caught.value.extensions["reason"] == reason
    assert caught.value.status == 401
    assert sentence in caught.value.message


def test_the_lengths_of_a_token_too_long_are_told() -> None:
    """Both numbers stand in the details, so that nobody has to parse the sentence."""
    with pytest.raises(Unauthenticated) as caught:
        bearer_token(bearer("x" * 2_001), limit=2_000)

    assert caught.value.extensions is not None
    assert (caught.value.extensions["got"], caught.value.extensions["limit"]) == (2_001, 2_000)


@pytest.mark.parametrize(
    "name",
    [
        b"impersonate-user",
        b"Impersonate-Group",
        b"impersonate-uid",
        b"Impersonate-Extra-scopes",
        b"x-remote-user",
        b"X-Remote-Extra-anything",
        b"X-Forwarded-User",
        b"x-forwarded-email",
        b"X-Forwarded-Groups",
        b"x-forwarded-preferred-username",
        b"x-forwarded-access-token",
        b"X-Auth-Request-Access-Token",
        b"x-webauth-user",
    ],
)
def test_headers_that_claim_an_identity_are_refused(name: bytes) -> None:
    """No proxy is trusted: a valid token does not make such a header acceptable."""
    with pytest.raises(IdentityHeaderRefused) as caught:
        bearer_token([*bearer("abc"), (name, b"system:admin")], limit=LIMIT)

    assert caught.value.status == 400
    assert name.decode().lower() in caught.value.message
    assert "system:admin" not in caught.value.message


@pytest.mark.parametrize("headers", [[], one(b"Basic x"), one(b"Bearer " + b"x" * (LIMIT + 1)), one(b"Bearer a b")])
def test_such_a_header_is_refused_before_anything_else(headers: Headers) -> None:
    """Whatever the token is, and if there is none: who sends it should hear of it."""
    for order in ([*headers, (b"x-remote-user", b"admin")], [(b"x-remote-user", b"admin"), *headers]):
        with pytest.raises(IdentityHeaderRefused):
            bearer_token(order, limit=LIMIT)


@pytest.mark.parametrize(
    "name", [b"cookie", b"x-forwarded-for", b"x-forwarded-client-cert", b"x-real-ip", b"forwarded"]
)
def test_headers_that_every_proxy_sends_are_let_pass(name: bytes) -> None:
    """They say where a request came from; a cookie says nothing to us, a token in it is not seen."""
    assert bearer_token([*bearer("abc"), (name, b"token=other")], limit=LIMIT) == "abc"
    with pytest.raises(TokenMissing):
        bearer_token([(name, b"Authorization=Bearer abc; token=abc")], limit=LIMIT)


@pytest.mark.parametrize(
    "query",
    [b"access_token=secret", b"query=x&access_token=secret", b"ACCESS_TOKEN=secret", b"access%5Ftoken=",
     b"token=secret", b"id_token=secret", b"authorization=Bearer%20secret", b"a=1&access_token", b"bearer=secret"],
)  # fmt: skip
def test_a_token_in_the_address_is_refused_by_its_name(query: bytes) -> None:
    """However it is written, also an empty one; what stands in it is not repeated."""
    with pytest.raises(TokenInAddress) as caught:
        refuse_tokens_in(query)

    assert caught.value.status == 400
    assert caught.value.extensions is not None
    assert caught.value.extensions["parameter"] in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "query", [b"", b"query={a(token:1)}", b"query=access_token", b"operationName=token", b"%ff=%fe"]
)
def test_an_address_that_speaks_of_tokens_is_none(query: bytes) -> None:
    """Only the name of a parameter counts."""
    refuse_tokens_in(query)


# What is sent may be a word of the message by chance; these are none.
SECRET = "zQ9~zQ9~"
VALUES = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=40).map(lambda token: b"Bearer " + token),
    st.from_regex(rb"(?i:bearer) +[!-~]{1,24}", fullmatch=True),
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"authorization", b"Authorization", b"impersonate-user", b"cookie"]),
            VALUES | VALUES.map(lambda value: value + SECRET.encode()),
        ),
        max_size=3,
    )
)
def test_whatever_is_sent_ends_in_a_token_or_a_client_error(headers: Headers) -> None:
    """No bytes make the parser fail in another way, a token is printable and bounded, and no error repeats it."""
    try:
        outcome: str | ClientError = bearer_token(headers, limit=LIMIT)
    except ClientError as error:
        outcome = error

    match outcome:
        case str(token):
            assert 0 < len(token) <= LIMIT
            assert all("!" <= character <= "~" and character != "," for character in token)
            assert [name.lower() for name, _ in headers].count(b"authorization") == 1
        case ClientError(message=message):
            assert SECRET not in message
