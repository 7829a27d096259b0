"""GraphiQL at the address of the API itself: a page load gets the page, everything else the API.

The page is the same for everyone and holds no data, so it needs no token; it asks for one itself.
"""

from typing import Final

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.media import accepts_html, header

# Nothing but our own files, no inline script, no other host, no frame around it.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    "img-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",  # the address may hold a query
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
    "Vary": "Accept",
}


class ExplorerPage:
    """Answers page loads of its path with the page, and passes all other requests on.

    A link to a query (`?query=…`) opened in a browser shows the page too: it asks for `text/html` by name, which no
    API client does.
    """

    def __init__(self, app: ASGIApp, page: bytes) -> None:
        self._app = app
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD") and accepts_html(header(scope, b"accept")):
            await HTMLResponse(self._page, headers=_HEADERS)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
