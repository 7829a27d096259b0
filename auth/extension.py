"""The schema's own lock: it holds without any HTTP layer before it."""

from collections.abc import AsyncIterator, Callable

from strawberry.extensions import SchemaExtension

from auth.authenticator import Authenticator
from auth.context import RequestContext
from auth.errors import TokenMissing


class AuthExtension(SchemaExtension):
    """Verifies the token by itself, whoever did so before; the first of the schema's extensions.

    Raising in `on_operation` ends a query or mutation before its text is parsed: the answer is the error alone.
    Strawberry 0.341 enters this hook for subscriptions too, but outside of what turns errors into answers: the error
    leaves `Schema.subscribe` as it is, so that nothing runs, and the transport must say why. The schema has no
    subscriptions; who adds the first one verifies in the transport as well, and wraps this error there.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def on_operation(self) -> AsyncIterator[None]:
        """Set `context.identity` to who sent the context's headers, or raise."""
        context = self.execution_context.context
        if not isinstance(context, RequestContext):
            raise TokenMissing  # no headers, no token: an embedding that forgot the context is as closed as any
        context.identity = None  # whatever stood there was somebody else's word
        context.identity = await self._authenticator.verify(context.headers)
        yield


def auth_extension(authenticator: Authenticator) -> Callable[[], AuthExtension]:
    """Return what Strawberry's `extensions=[…]` takes: a factory, called once for each operation."""
    return lambda: AuthExtension(authenticator)
