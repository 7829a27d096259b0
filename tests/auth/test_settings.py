"""No setting leaves authentication open."""

import pytest
from pydantic import ValidationError

from auth.settings import AuthSettings


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("enabled", False),
        ("anonymous", True),
        ("token_limit_bytes", 0),
        ("token_limit_bytes", 1_048_577),
        ("token_verdict_seconds", 5.1),
        ("token_verdict_seconds", -1),
        ("token_verdict_seconds", float("inf")),
        ("token_verdict_seconds", float("nan")),
        ("allowed_seconds", 10.1),
        ("allowed_seconds", 0),
        ("denied_seconds", 0),
        ("denied_again_seconds", -1),
        ("reviews_in_flight", 0),
        ("review_timeout_seconds", 0),
        ("review_timeout_seconds", float("inf")),
        ("unreachable_pause_seconds", 0),
        ("tokens_cached", 0),
        ("answers_cached", 0),
    ],
)
def test_a_bound_that_is_none_stops_the_start(key: str, value: object) -> None:
    """Unknown keys, switches and endless times are refused, each by its name."""
    with pytest.raises(ValidationError) as caught:
        AuthSettings.model_validate({key: value})

    assert caught.value.errors()[0]["loc"] == (key,)


def test_settings_cannot_be_changed_later() -> None:
    """What was checked at the start stays."""
    with pytest.raises(ValidationError):
        AuthSettings().token_verdict_seconds = 60  # type: ignore[misc]


def test_every_setting_says_its_meaning_and_its_reason() -> None:
    """The reference is made of these descriptions."""
    assert all(field.description for field in AuthSettings.model_fields.values())
