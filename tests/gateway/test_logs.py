"""Logs: one line an event, never a credential, and libraries only when something is wrong."""

import asyncio
import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import logs

JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQifQ.c2lnbmF0dXJlLXBhcnQ"


@pytest.fixture(params=["nobody else listens", "others listen too"])
def written(request):
    """The stream all logs go to in a test, and logging as it was afterwards."""
    others = logging.root.handlers[:]
    if request.param == "nobody else listens":  # as in the gateway; pytest does
        logging.root.handlers[:] = []
    loggers = [logging.getLogger(), *map(logging.getLogger, logs.OUR_PACKAGES)]
    before = [logger.level for logger in loggers]
    yield io.StringIO()
    for handler in [handler for handler in logging.getLogger().handlers if isinstance(handler, logs._Handler)]:
        logging.getLogger().removeHandler(handler)
    logging.root.handlers[:] = others
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


def caught(error):
    """The error with a traceback, as an `except` block has it."""
    try:
        raise error  # noqa: TRY301
    except Exception as seen:  # noqa: BLE001
        return seen


def test_an_event_is_one_line_of_time_level_name_and_key_values(written):
    """The text form is read by people, at a terminal."""
    logs.configure("info", "text", written)

    logs.event("server.started", port=8080, host="::1", note="two words", nothing=None, empty="")

    time, rest = written.getvalue().split(" ", 1)
    assert time.endswith("Z")
    assert rest == 'INFO    server.started port=8080 host=::1 note="two words" nothing=None empty=""  (gateway)\n'


def test_the_json_form_keeps_numbers_and_null_and_writes_what_json_does_not_know_as_text(written):
    """Every line is one JSON document that any parser takes: NaN is none of its words."""
    logs.configure("info", "json", written)

    logs.event("request", status=200, ratio=0.5, cached=True, user=None, lost=float("nan"), scope=frozenset({"shop"}))

    line = json.loads(written.getvalue(), parse_constant=pytest.fail)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "event": "request",
        "logger": "gateway",
        "status": 200,
        "ratio": 0.5,
        "cached": True,
        "user": None,
        "lost": "nan",
        "scope": "frozenset({'shop'})",
    }


def test_a_field_cannot_take_the_place_of_the_lines_own_keys(written):
    """A key-value called like one of ours gets an underscore: the level and the time stay true."""
    logs.configure("info", "json", written)

    logs.event("request", event="other", time="never")

    line = json.loads(written.getvalue())
    assert (line["event"], line["event_"], line["time_"]) == ("request", "other", "never")


def test_a_lower_package_logs_key_values_without_knowing_the_gateway(written):
    """schema and auth use the standard library's `extra=`, and come out the same."""
    logs.configure("info", "json", written)

    logging.getLogger("schema.sources.kubernetes").warning("watch.failed", extra={"kind": "pods", "attempt": 3})

    line = json.loads(written.getvalue())
    assert (line["event"], line["kind"], line["attempt"]) == ("watch.failed", "pods", 3)
    assert line["logger"] == "schema.sources.kubernetes"


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("evil", ["a\nforged", "a\r\nforged", "a\x1b[2Kforged", "a\u2028forged", "a\x85forged"])
def test_no_value_name_or_message_can_start_a_line_of_its_own(written, form, evil):
    """Whoever controls a value controls no line break and no terminal escape."""
    logs.configure("info", form, written)

    odd_name: dict = {evil: 1}
    logs.event(evil, value=evil, **odd_name)
    logging.getLogger("gateway").warning("%s", evil)

    assert len(written.getvalue().splitlines()) == 2
    assert not any(mark in written.getvalue() for mark in ("\r", "\x1b", "\u2028", "\x85"))


def test_a_quote_in_a_value_does_not_end_it(written):
    """Two key-values can always be told apart."""
    logs.configure("info", "text", written)

    logs.event("x", name='a" status="200', path="C:\\")

    assert r'name="a\" status=\"200" path="C:\\"' in written.getvalue()


def test_the_lines_of_a_traceback_are_indented_so_that_none_can_pass_for_an_event(written):
    """An exception's text may be someone else's words."""
    logs.configure("info", "text", written)
    forged = "2026-01-01T00:00:00.000Z INFO    forged"

    logs.event("task.died", level=logging.ERROR, error=ValueError(f"odd\n{forged}\x1b[2K"), task="reflector/pods")

    first, *others = written.getvalue().splitlines()
    assert "ERROR   task.died task=reflector/pods" in first
    assert any(forged in line for line in others)
    assert all(line.startswith("  | ") for line in others)
    assert "\x1b" not in written.getvalue()


def test_a_traceback_is_one_field_of_a_json_line(written):
    """Collectors read line by line."""
    logs.configure("info", "json", written)

    logs.event("task.died", level=logging.ERROR, error=caught(ValueError("odd")))

    line = json.loads(written.getvalue())
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: odd")


SECRETS = {
    "a bearer header": "Authorization: Bearer s3cr3t-opaque",
    "a bearer header in another case": "authorization: bearer s3cr3t-opaque",
    "another scheme": "Authorization: Basic s3cr3t",
    "an unknown scheme": "Authorization: Token s3cr3t",
    "headers as a dict": str({"Authorization": "Bearer s3cr3t"}),
    "headers as bytes": str([(b"authorization", b"Bearer s3cr3t")]),
    "a bearer alone": "got Bearer s3cr3t/with+odd~signs=",
    "a bearer in a URL": "Bearer%20s3cr3t",
    "a bearer over a line break": "Bearer\n s3cr3t",
    "a JWT alone": f"token {JWT} is odd",
    "the beginning of a JWT": JWT[:40],
    "a query parameter": "GET /x?token=s3cr3t&a=1",
    "an access token": "GET /x?access_token=s3cr3t",
    "a TokenReview": json.dumps({"spec": {"token": "s3cr3t"}}),
    "an exec plugin's answer": json.dumps({"status": {"id_token": "s3cr3t"}}),
    "a URL with credentials": "cannot reach https://admin:s3cr3t@prometheus:9090/api",
    "a URL with a slash in its password": "cannot reach https://admin:s3cr3t/x@prometheus:9090/api",
}


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS.keys())
def test_what_looks_like_a_credential_is_never_written(written, form, text):
    """Not from a message, its arguments, a key-value, what a request has bound, nor an exception, however nested."""
    logs.configure("debug", form, written)

    logs.event(text)
    odd_name: dict = {text: 1}
    logs.event("x", value=text, values=[text], **odd_name)
    logging.getLogger("aiohttp").warning(text)
    logging.getLogger("aiohttp").warning("%s %r", text, {"headers": text})
    with logs.bound(user=text):
        logs.event("x")
    group = ExceptionGroup("odd", [ValueError(text)])
    group.__cause__ = caught(ConnectionError(text))
    logs.event("x", error=caught(group))

    assert "x" in written.getvalue()
    assert "***" in written.getvalue()
    assert not any(secret in written.getvalue() for secret in ("s3cr3t", JWT[:20], "c2lnbmF0dXJl"))


@pytest.mark.parametrize("text", ["a bearer of news", "token=16384 bytes"])
def test_hiding_too_much_is_the_chosen_side(text):
    """A last resort does not weigh: these are no secrets, and are hidden all the same."""
    assert "***" in logs.redact(text)


@pytest.mark.parametrize(
    "text", ["token.expired reason=expired", "auth.token_bytes is 16384", "https://prometheus:9090/api/v1/query", "a@b"]
)
def test_ordinary_words_about_tokens_stay_readable(text):
    """A log without any token must still be able to speak of tokens."""
    assert logs.redact(text) == text


@pytest.mark.parametrize(
    "text", ["\\" * 16_384, "://" * 5_000, "token_" * 3_000, '"token' * 3_000, "Bearer" + " " * 16_384]
)
def test_redacting_an_odd_value_takes_no_time_to_speak_of(text):
    """A client chooses its path and operation name: no pattern may be quadratic in them."""
    import time

    started = time.process_time()
    logs.redact(text)

    assert time.process_time() - started < 0.1


@pytest.mark.parametrize(
    "name", ["kubernetes_asyncio.client.rest", "client", "uvicorn.access", "uvicorn.error", "asyncio"]
)
def test_libraries_stay_silent_below_warning_even_at_our_debug_level(written, name, monkeypatch):
    """kubernetes-asyncio logs response bodies at DEBUG, and sets its loggers' levels by itself."""
    logs.configure("debug", "text", written)
    library = logging.getLogger(name)
    monkeypatch.setattr(library, "propagate", True)  # a server of another test took uvicorn's access log away
    before = library.level
    library.setLevel(logging.DEBUG)
    try:
        library.debug("response body: %s", "a Secret")
        library.info("GET /graphql")
        library.warning("something is wrong")
    finally:
        library.setLevel(before)

    assert written.getvalue().count("\n") == 1
    assert "something is wrong" in written.getvalue()


@pytest.mark.parametrize(("level", "shown"), [("debug", "DIWE"), ("info", "IWE"), ("warning", "WE"), ("error", "E")])
def test_the_level_is_that_of_our_own_packages(written, level, shown):
    """Each level shows itself and what is worse."""
    logs.configure(level, "json", written)

    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logs.event("x", level=number, logger="auth.authenticator")

    assert "".join(json.loads(line)["level"][0].upper() for line in written.getvalue().splitlines()) == shown


def test_what_a_request_has_bound_stands_in_every_line_until_it_ends(written):
    """Bound once: the id at the door, the user when it is known, the operation when it is read."""
    logs.configure("info", "text", written)

    with logs.bound(request_id="r1"):
        logs.event("a")
        logs.bind(user="ada")
        logging.getLogger("auth").warning("b")
    logs.event("c")

    a, b, c = written.getvalue().splitlines()
    assert "a request_id=r1  (" in a
    assert "b request_id=r1 user=ada  (" in b
    assert "request_id" not in c
    assert "user" not in c


async def test_two_requests_at_once_do_not_mix_what_they_have_bound(written):
    """What is bound belongs to a task and those it starts, and to worker threads entered from it."""
    logs.configure("info", "json", written)
    both = asyncio.Barrier(2)

    async def request(name):
        with logs.bound(request_id=name):
            await both.wait()
            logs.bind(user=f"user of {name}")
            await both.wait()
            await asyncio.to_thread(logs.event, f"done {name}")

    await asyncio.gather(request("r1"), request("r2"))

    lines = {line["event"]: line for line in map(json.loads, written.getvalue().splitlines())}
    assert {(line["event"], line["request_id"], line["user"]) for line in lines.values()} == {
        ("done r1", "r1", "user of r1"),
        ("done r2", "r2", "user of r2"),
    }


def test_configuring_again_replaces_the_first_configuration(written):
    """No line is ever written twice."""
    logs.configure("debug", "text", io.StringIO())
    logs.configure("info", "json", written)

    logs.event("x")

    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == ["x"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_that_cannot_be_written_costs_itself_and_prints_no_value(written, form, capsys, monkeypatch):
    """The standard library prints the arguments of a call it cannot format, unredacted."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own handlers raise
    logs.configure("info", form, written)

    class Odd:
        def __str__(self):
            raise ValueError("s3cr3t")

    logging.getLogger("aiohttp").warning("%d", "s3cr3t")
    logs.event("x", value=Odd(), other="s3cr3t")

    assert written.getvalue().count("log.failed") == 2
    assert "s3cr3t" not in written.getvalue()
    assert capsys.readouterr() == ("", "")


def test_a_closed_stream_is_survived(written):
    """Nobody is left to tell, and the request goes on."""
    logs.configure("info", "text", written)
    written.close()

    logs.event("x")


PIECES = (
    *(
        "eyJhbGciOiJI",
        "EYJhbGci",
        "Authorization: ",
        "author\N{LATIN SMALL LETTER DOTLESS I}zation: x",
        "bearer ",
        "Bearer%20abc",
        "token=",
        "my_token=x",
    ),
    *(
        '"password": "',
        "pa\N{LATIN SMALL LETTER LONG S}\N{LATIN SMALL LETTER LONG S}word=x",
        "client_secret=",
        '"clientsecret":"',
        "://",
        "user:pass@",
        "https",
        "x",
        " ",
        "=",
        "'",
    ),
    *(JWT, "request method=POST path=/graphql status=200", "\n", "\\", "ü"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
def test_what_is_not_searched_for_credentials_has_none(text):
    """Most lines have not even a part of one, and are passed on at once; all others are searched."""
    assert logs.redact(text) == logs._searched(text)
