"""Which media type an answer has."""

import pytest

from gateway.http.media import MediaType, accepts_html, negotiate


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, MediaType.JSON),
        ("*/*", MediaType.JSON),
        ("application/*", MediaType.JSON),
        ("application/json", MediaType.JSON),
        ("application/graphql-response+json", MediaType.GRAPHQL),
        ("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8", MediaType.GRAPHQL),
        ("application/json, application/graphql-response+json;q=0.9", MediaType.JSON),
        ("application/json;q=0.5, application/graphql-response+json", MediaType.GRAPHQL),
        ("application/graphql-response+json;q=0, */*", MediaType.JSON),
        ("text/html, */*;q=0.1", MediaType.JSON),
        ("application/json;charset=latin-1", None),
        ("application/json;q=0", None),
        ("text/html", None),
        ("application/json;q=nonsense", None),
    ],
)
def test_the_best_type_that_the_client_accepts_is_chosen(accept, expected):
    """What a client names by itself wins; who names nothing gets what every client reads."""
    assert negotiate(accept) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, False),
        ("*/*", False),
        ("application/json", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html;q=0", False),
    ],
)
def test_only_who_names_html_is_shown_a_page(accept, expected):
    """curl and API clients never get a page instead of an answer."""
    assert accepts_html(accept) == expected
