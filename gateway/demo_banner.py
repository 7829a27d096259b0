"""What `binnacle demo` says when it listens: for somebody who has never seen it."""

import json
from typing import Final
from urllib.parse import quote

QUERY: Final = """{ cluster { version nodeCount podCount }
  nodes { name ready roles pods { name namespace phase ready restarts
          metrics(names: [CPU_USAGE, MEMORY_USAGE]) { name value unit } } } }"""

_TOKENS: Final = {
    "demo-admin": "sees everything",
    "demo-viewer": "sees everything too, and may change nothing",
    "demo-shop": "sees one namespace, shop",
}


def demo_banner(address: str) -> str:
    """The address (`http://127.0.0.1:8080`), the tokens, and one query as a link and as a curl command."""
    body = json.dumps({"query": " ".join(QUERY.split())})  # without quotes of either kind: none to escape in a shell
    tokens = "\n".join(f"    {token:<12} {sees}" for token, sees in _TOKENS.items())
    return f"""Binnacle is showing a simulated cluster at {address}/graphql

  In the browser, with a query ready to run (enter one of the tokens first):
    {address}/graphql?query={quote(QUERY, safe="")}

  In another terminal:
    curl -s {address}/graphql \\
      -H 'Authorization: Bearer demo-admin' \\
      -H 'Content-Type: application/json' \\
      -d '{body}'

  The tokens, known to everybody who reads this:
{tokens}

  Ctrl-C stops it. Your own cluster: binnacle serve --help"""
