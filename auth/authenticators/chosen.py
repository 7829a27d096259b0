"""From settings to who answers the two questions: whose token is it, and what may they do."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from auth.api import ReviewApi
from auth.authenticators.in_order import InOrder
from auth.authenticators.issuer import Issuer, KeySet
from auth.authenticators.oidc import OidcAuthenticator
from auth.authenticators.token_file import TokenFile
from auth.reviewers import AccessReviewer, OwnReviewer, TokenAuthenticator, TokenReviewer
from auth.settings import AuthConfigError, AuthSettings, OidcSettings


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who says whose token it is, and who says what they may do: often, but not always, the same."""

    authenticator: TokenAuthenticator
    reviewer: AccessReviewer


@asynccontextmanager
async def open_chosen(
    settings: AuthSettings, oidc: OidcSettings, api: ReviewApi, user_agent: str
) -> AsyncIterator[Chosen]:
    """Make what the settings name, in their order. Raises AuthConfigError; an issuer is not waited for."""
    if "self_subject_review" in settings.authenticators:
        own = OwnReviewer(api, settings)
        yield Chosen(own, own)
        return
    reviewer = TokenReviewer(api, settings)
    async with AsyncExitStack() as stack:
        authenticators: list[TokenAuthenticator] = []
        for name in settings.authenticators:
            match name:
                case "oidc":
                    authenticators.append(await stack.enter_async_context(_open_oidc(oidc, user_agent)))
                case "token_file":
                    authenticators.append(_token_file(settings))
                case _:
                    authenticators.append(reviewer)
        yield Chosen(authenticators[0] if len(authenticators) == 1 else InOrder(authenticators), reviewer)


def _token_file(settings: AuthSettings) -> TokenFile:
    if settings.token_auth_file is None:
        raise AuthConfigError("auth.authenticators", "token_file", "needs auth.token_auth_file")
    return TokenFile(settings.token_auth_file)


@asynccontextmanager
async def _open_oidc(settings: OidcSettings, user_agent: str) -> AsyncIterator[OidcAuthenticator]:
    if settings.issuer is None:
        raise AuthConfigError("auth.authenticators", "oidc", "needs oidc.issuer and oidc.audiences")
    keys = KeySet(Issuer(settings.issuer, settings.ca_file, settings.timeout_seconds, user_agent), settings)
    keys.warm()
    try:
        yield OidcAuthenticator(settings, keys)
    finally:
        await keys.aclose()
