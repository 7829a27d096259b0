"""What was found out of tokens and of rights, counted by how it ended; what a cache answers never comes here."""

from typing import final

from auth.errors import ReviewsUnavailable, Unauthenticated
from auth.identity import Identity
from auth.reviewers import AccessReviewer, Attributes, Decision, TokenAuthenticator
from gateway.telemetry.metrics import Metrics


@final
class CountedTokens:
    """Implements auth's TokenAuthenticator by another, whose verdicts it counts."""

    def __init__(self, authenticator: TokenAuthenticator, metrics: Metrics) -> None:
        self._authenticator = authenticator
        self._count = metrics.reviews

    async def authenticate(self, token: str) -> Identity:
        """See TokenAuthenticator."""
        try:
            identity = await self._authenticator.authenticate(token)
        except Unauthenticated:
            self._count.labels("token", "rejected").inc()
            raise
        except ReviewsUnavailable:
            self._count.labels("token", "unavailable").inc()
            raise
        self._count.labels("token", "accepted").inc()
        return identity


@final
class CountedRights:
    """Implements auth's AccessReviewer by another, whose decisions it counts."""

    def __init__(self, reviewer: AccessReviewer, metrics: Metrics) -> None:
        self._reviewer = reviewer
        self._count = metrics.reviews

    async def decide(self, identity: Identity, attributes: Attributes) -> Decision:
        """See AccessReviewer."""
        try:
            decision = await self._reviewer.decide(identity, attributes)
        except Unauthenticated:  # asked with the caller's own token, which is not taken any more
            self._count.labels("right", "rejected").inc()
            raise
        except ReviewsUnavailable:
            self._count.labels("right", "unavailable").inc()
            raise
        self._count.labels("right", "allowed" if decision.allowed else "denied").inc()
        return decision
