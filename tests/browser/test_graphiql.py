"""GraphiQL in a real Chromium, against a running `binnacle demo`."""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.explorer import DESKTOP, PHONE, Explorer, open_explorer, open_tab

# One browser serves them all, each with a profile of its own; it lives on the session's loop.
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TWO_OPERATIONS = """\
query Nodes { nodes { name } }
query Pods($in: String!) { pods(filter: { namespace: $in }) { namespace } }
"""


async def test_a_token_and_one_press_show_nodes_with_their_pods_and_metrics(explorer: Explorer):
    """The README's promise: open the address, enter a token, run what is there."""
    await explorer.open()
    await explorer.sign_in("demo-admin")

    data = (await explorer.run())["data"]

    assert data["cluster"]["nodeCount"] == len(data["nodes"]) == 3
    pods = [pod for node in data["nodes"] for pod in node["pods"]]
    assert 0 < len(pods) <= data["cluster"]["podCount"]  # those that no node has taken yet are nested nowhere
    running = [pod for pod in pods if pod["phase"] == "Running"]
    assert [metric["unit"] for metric in running[0]["metrics"]] == ["CORES", "BYTES"]
    assert any(metric["value"] > 0 for pod in running for metric in pod["metrics"] if metric["value"] is not None)
    await expect(explorer.page.locator(".graphiql-response")).to_contain_text(data["nodes"][0]["name"])


async def test_everything_comes_from_the_gateway_and_the_browser_has_nothing_to_complain_about(explorer: Explorer):
    """It works without internet, and within the page's Content-Security-Policy, workers and fonts included."""
    page = await explorer.open()
    await explorer.sign_in("demo-admin")
    await explorer.run()
    await explorer.page.get_by_role("button", name="Show Documentation Explorer").click()
    await expect(explorer.page.locator(".graphiql-doc-explorer")).to_contain_text("Query")

    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert explorer.origins() == {explorer.url}
    assert {Path(request.url).suffix for request in explorer.requests} >= {".js", ".css", ".ttf"}
    assert explorer.complaints == []


async def test_without_a_token_nothing_is_asked_and_the_page_says_what_to_do(explorer: Explorer):
    """No storm of refused introspections greets a newcomer."""
    await explorer.open()

    await expect(explorer.token).to_be_focused()
    await expect(explorer.state).to_have_text("No token: enter one to load the schema and run queries")
    assert "enter a bearer token" in (await explorer.run())["errors"][0]["message"]
    assert explorer.questions() == []


async def test_a_refused_token_shows_the_gateways_own_words_after_one_question(explorer: Explorer):
    """Whoever pasted an old token reads what is wrong with it, and the gateway is asked once."""
    await explorer.open()
    await explorer.enter("nobody")

    await expect(explorer.state).to_have_text(f"Refused: {refusal(explorer.url, 'nobody')}")
    await expect(explorer.token).to_have_attribute("aria-invalid", "true")
    assert len(explorer.questions()) == 1


async def test_a_better_token_replaces_a_refused_one(explorer: Explorer):
    """There is a way out of every state."""
    await explorer.open()
    await explorer.enter("nobody")
    await expect(explorer.state).to_contain_text("Refused")
    await explorer.sign_in("demo-viewer")

    assert "errors" not in await explorer.run()


async def test_a_pasted_token_needs_no_second_step(browser: Browser, demo: str):
    """`Bearer ` and the line's end come along with what people copy."""
    explorer = await open_explorer(browser, demo, permissions=["clipboard-read", "clipboard-write"])
    await explorer.open()
    await explorer.page.evaluate("navigator.clipboard.writeText('Bearer demo-admin \\n')")
    await explorer.token.press("Control+V")

    await expect(explorer.state).to_have_text("Signed in")
    await expect(explorer.token).to_have_value("demo-admin")


async def test_a_token_lives_as_long_as_its_tab_and_nowhere_else(explorer: Explorer):
    """It survives a reload; it is not in localStorage, not in an address, and not in the next tab."""
    await explorer.open()
    await explorer.sign_in("demo-admin")
    await explorer.run()
    await explorer.open()
    await expect(explorer.state).to_have_text("Signed in")
    next_tab = await open_tab(await explorer.page.context.new_page(), explorer.url)
    await next_tab.open()

    await expect(next_tab.state).to_contain_text("No token")
    kept = await local_storage(explorer.page)
    assert "graphiql:queries" in kept
    assert "demo-admin" not in kept
    assert not [request.url for request in explorer.requests if "demo-admin" in request.url]


async def test_a_cleared_token_is_gone(explorer: Explorer):
    """Clear means: out of the tab, and no more questions."""
    await explorer.open()
    await explorer.sign_in("demo-admin")
    await explorer.page.get_by_role("button", name="Clear token").click()
    asked = len(explorer.questions())

    await expect(explorer.state).to_contain_text("No token")
    await expect(explorer.token).to_have_value("")
    assert "demo-admin" not in await explorer.page.evaluate("JSON.stringify(sessionStorage)")
    await explorer.run()
    assert len(explorer.questions()) == asked


async def test_a_token_is_shown_only_when_asked_for(explorer: Explorer):
    """Somebody looks over the shoulder."""
    await explorer.open()
    await explorer.enter("demo-admin")
    await expect(explorer.token).to_have_attribute("type", "password")
    await explorer.page.get_by_role("button", name="Show token").click()

    await expect(explorer.token).to_have_attribute("type", "text")


async def test_a_link_opens_its_query_and_runs_the_operation_that_it_names(explorer: Explorer):
    """What `binnacle demo` prints, and what people send each other."""
    await explorer.open(
        "?" + urlencode({"query": TWO_OPERATIONS, "variables": '{"in": "shop"}', "operationName": "Pods"})
    )
    assert await explorer.text("operation.graphql") == TWO_OPERATIONS
    await explorer.sign_in("demo-admin")
    editor = explorer.page.locator(".graphiql-query-editor textarea, .graphiql-query-editor .native-edit-context")
    await editor.first.focus()
    await explorer.page.keyboard.press("Control+Enter")

    assert {pod["namespace"] for pod in (await explorer.answer())["data"]["pods"]} == {"shop"}
    assert explorer.questions()[-1]["operationName"] == "Pods"


async def test_a_link_brings_neither_token_nor_headers(explorer: Explorer):
    """A link may come from anyone."""
    headers = quote(json.dumps({"Authorization": "Bearer demo-admin"}))
    await explorer.open(f"?token=demo-admin&headers={headers}#token=demo-admin")

    await expect(explorer.state).to_contain_text("No token")
    assert explorer.questions() == []


async def test_a_gateway_that_is_gone_is_said_to_be_and_found_again(explorer: Explorer):
    """A laptop that slept is not a token that was refused."""
    await explorer.open()
    await explorer.page.route("**/graphql", lambda route: route.abort())
    await explorer.enter("demo-admin")
    await expect(explorer.state).to_have_text("The gateway cannot be reached. Is it still running?")

    await explorer.page.unroute("**/graphql")
    await explorer.page.get_by_role("button", name="Try again").click()
    await expect(explorer.state).to_have_text("Signed in")


async def test_the_keyboard_reaches_the_token_its_buttons_and_the_help(explorer: Explorer):
    """No mouse is needed to sign in or to learn how to get a token."""
    await explorer.open()
    await expect(explorer.token).to_be_focused()
    await explorer.page.keyboard.type("nobody")
    for name in ("Show token", "Clear token", "Sign in", "Get a token"):
        await explorer.page.keyboard.press("Tab")
        await expect(explorer.page.get_by_role("button", name=name)).to_be_focused()
    await explorer.page.keyboard.press("Enter")
    await expect(explorer.page.get_by_text("kubectl create token ACCOUNT")).to_be_visible()
    await explorer.page.keyboard.press("Escape")

    await expect(explorer.page.get_by_text("kubectl create token ACCOUNT")).to_be_hidden()


async def test_the_bar_follows_graphiqls_own_theme_switch(explorer: Explorer):
    """One page has one theme."""
    await explorer.open()
    light = await lightness(explorer.page)
    await explorer.page.get_by_role("button", name="Open settings dialog").click()
    await explorer.page.get_by_role("button", name="Dark", exact=True).click()

    assert light > 200
    assert await lightness(explorer.page) < 80


async def test_the_editors_follow_the_system_from_day_to_night(explorer: Explorer):
    """At dusk the page turns dark as a whole."""
    await explorer.open()
    editor = explorer.page.locator(".graphiql-query-editor .monaco-editor").first
    await expect(editor).to_have_class(re.compile(r"\bvs\b"))
    await explorer.page.emulate_media(color_scheme="dark")

    await expect(editor).to_have_class(re.compile(r"\bvs-dark\b"))
    assert await lightness(explorer.page) < 80


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_everything_is_in_reach_in_both_themes_and_on_a_small_screen(
    browser: Browser, demo: str, pictures: Path, theme: Any, size: tuple[int, int]
):
    """Nothing sticks out of a screen of 375 pixels, and the answer has room beside or below the query."""
    explorer = await open_explorer(browser, demo, size=size, color_scheme=theme)
    await explorer.open()
    await explorer.sign_in("demo-admin")
    await explorer.run()
    await explorer.page.screenshot(path=pictures / f"graphiql-{theme}-{size[0]}.png", animations="disabled")

    assert await explorer.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    for name in ("Sign in", "Get a token", "Clear token", "Execute query"):
        box = await explorer.page.get_by_role("button", name=re.compile(f"^{name}")).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size[0]
    response = await explorer.page.locator(".graphiql-response").bounding_box()
    assert response is not None
    assert min(response["width"], response["height"]) > 150


def refusal(url: str, token: str) -> str:
    """What the API itself answers to this token."""
    request = urllib.request.Request(
        f"{url}/graphql", b"{}", {"authorization": f"Bearer {token}", "content-type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    with refused.value as answer:
        message: str = json.load(answer)["errors"][0]["message"]
        return message


async def local_storage(page: Page) -> str:
    text: str = await page.evaluate("JSON.stringify(localStorage)")
    return text


async def lightness(page: Page) -> int:
    """How light the ground of the page is, from 0 to 255."""
    color: str = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    return max(int(part) for part in re.findall(r"\d+", color)[:3])
