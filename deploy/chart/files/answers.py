"""What `helm test` asks the gateway, through its Service. Over https the certificate is not looked at: it is made out
for the name that clients use, not for the Service's; no token is sent then.
"""

import json
import os
import pathlib
import ssl
import urllib.error
import urllib.request

GATEWAY = os.environ["GATEWAY"]
UNVERIFIED = ssl.create_default_context()
UNVERIFIED.check_hostname = False
UNVERIFIED.verify_mode = ssl.CERT_NONE


def ask(path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(GATEWAY + path, body, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=10, context=UNVERIFIED) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def check(what: str, answer: tuple[int, bytes], status: int, content: bytes = b"") -> None:
    right = answer[0] == status and content in answer[1]
    print("ok  " if right else "FAIL", what, *(() if right else answer), flush=True)
    if not right:
        raise SystemExit(1)


query = json.dumps({"query": "{ __typename }"}).encode()
check("ready", ask("/readyz"), 200)
check("a stranger is refused", ask("/graphql", query), 401)
if GATEWAY.startswith("http://"):
    token = pathlib.Path(os.environ["TOKEN_FILE"]).read_text().strip()
    check("a known account is answered", ask("/graphql", query, Authorization=f"Bearer {token}"), 200, b'"Query"')
