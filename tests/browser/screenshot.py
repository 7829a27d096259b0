"""The README's picture: `python -m tests.browser.screenshot URL TOKEN` writes docs/graphiql.png.

URL is a gateway's address, such as `http://127.0.0.1:8080`; the picture shows the nested answer, light, 1280 x 800.
"""

import asyncio
import sys
from pathlib import Path
from typing import Final

from tests.browser.chromium import MISSING
from tests.browser.explorer import open_browser, open_explorer

PICTURE: Final = Path(__file__).parents[2] / "docs" / "graphiql.png"


async def take(url: str, token: str, picture: Path) -> None:
    async with open_browser() as browser:
        if browser is None:
            raise SystemExit(MISSING)
        explorer = await open_explorer(browser, url, color_scheme="light", reduced_motion="reduce")
        await explorer.open()
        await explorer.sign_in(token)
        await explorer.run()
        await explorer.page.mouse.move(0, 0)  # away from the button and its shadow
        await explorer.page.screenshot(path=picture, animations="disabled")


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    asyncio.run(take(sys.argv[1].rstrip("/"), sys.argv[2], PICTURE))
    print(PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
