"""GraphiQL as somebody uses it, in a real browser."""

import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, Response, async_playwright, expect

from tests.browser.chromium import find, flags

DESKTOP: Final = (1280, 800)
PHONE: Final = (375, 700)

expect.set_options(timeout=20_000)  # milliseconds: of a machine that also builds a control plane, say

# Monaco draws only the lines in view; the whole text is in its model.
_TEXT: Final = (
    """name => globalThis.__MONACO.editor.getModels().find(model => model.uri.path.endsWith(name)).getValue()"""
)


@dataclass(frozen=True, slots=True)
class Explorer:
    """One tab with GraphiQL in it, and everything that it asked the network for."""

    page: Page
    url: str
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def open(self, link: str = "") -> Response:
        """Load the page (`link`: what follows the path) and wait for its editors; returns the page as it was sent."""
        response = await self.page.goto(f"{self.url}/graphql{link}")
        assert response is not None
        await expect(self.page.locator(".graphiql-query-editor .view-line").first).to_be_visible()
        return response

    @property
    def token(self) -> Locator:
        return self.page.get_by_label("Bearer token")

    @property
    def state(self) -> Locator:
        return self.page.locator("[data-session]")

    async def enter(self, token: str) -> None:
        await self.token.fill(token)
        await self.token.press("Enter")

    async def sign_in(self, token: str) -> None:
        await self.enter(token)
        await expect(self.state).to_have_text("Signed in")

    async def run(self) -> Any:
        """Press the button and return the decoded answer."""
        await self._button("Execute query").click()
        return await self.answer()

    async def answer(self) -> Any:
        """What stands in the right-hand editor once nothing is under way."""
        await expect(self._button("Execute query")).to_be_visible()
        return json.loads(await self.text("response.json"))

    async def text(self, editor: Literal["operation.graphql", "variables.json", "response.json"]) -> str:
        text: str = await self.page.evaluate(_TEXT, editor)
        return text

    def questions(self) -> list[Any]:
        """The bodies of everything that was asked of the API, in order."""
        return [request.post_data_json for request in self.requests if request.method == "POST"]

    def origins(self) -> set[str]:
        """Where everything came from that was not made in the page itself."""
        parts = (urlsplit(request.url) for request in self.requests)
        return {f"{part.scheme}://{part.netloc}" for part in parts if part.scheme not in ("data", "blob")}

    def _button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=re.compile(f"^{name}"))


async def open_explorer(browser: Browser, url: str, *, size: tuple[int, int] = DESKTOP, **options: Any) -> Explorer:
    """A new browser profile with one empty tab; `options` are those of Playwright's context."""
    context = await browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    return await open_tab(await context.new_page(), url)


async def open_tab(page: Page, url: str) -> Explorer:
    explorer = Explorer(page, url)

    def note(request: Request) -> None:
        explorer.requests.append(request)

    def complain(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            explorer.complaints.append(message.text)

    page.context.on("request", note)  # of the context: workers ask too
    page.on("console", complain)
    page.on("pageerror", lambda error: explorer.complaints.append(str(error)))
    return explorer


@contextlib.asynccontextmanager
async def open_browser() -> AsyncIterator[Browser | None]:
    """A Chromium, or None where there is none."""
    async with async_playwright() as playwright:
        executable: Path | None = find(playwright.chromium.executable_path)
        if executable is None:
            yield None
            return
        browser = await playwright.chromium.launch(executable_path=executable, args=list(flags()))
        try:
            yield browser
        finally:
            await browser.close()
