"""docs/authentication.md: what somebody copies from there works, and what it explains is what there is."""

import inspect
import re
from pathlib import Path

import pytest
import yaml

from auth.authenticators import oidc
from auth.authenticators.token_file import TokenFile
from auth.credentials import _IDENTITY_HEADERS, _IDENTITY_PREFIXES, _TOKEN_PARAMETERS
from gateway.config import load_config

PAGE = (Path(__file__).parents[2] / "docs/authentication.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("\n")[1].strip())
def test_every_example_is_a_config_that_is_accepted(example: str, tmp_path: Path):
    """Those of the providers together with the authenticator they are for."""
    tokens = tmp_path / "tokens.csv"
    tokens.write_text("")
    written = yaml.safe_load(example.replace("/etc/binnacle/tokens.csv", str(tokens)))
    if "auth" not in written:
        written["auth"] = {"authenticators": ["oidc"]}
    file = tmp_path / "binnacle.yaml"
    file.write_text(yaml.safe_dump(written))

    config = load_config({}, {}, file)

    assert config.auth.authenticators


async def test_the_file_of_tokens_is_one(tmp_path: Path):
    """Read as it stands there."""
    (example,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "tokens.csv").write_text(example)

    robot = await TokenFile(tmp_path / "tokens.csv").authenticate(example.partition(",")[0])

    assert (robot.username, robot.groups) == ("build-robot", ("ci", "read-only", "system:authenticated"))


def test_every_rule_that_a_token_can_fail_is_explained():
    """By the name that stands in the log."""
    source = inspect.getsource(oidc)
    rules = {rule.split(" ")[0] for rule in re.findall(r'_Failed\(f?"([^"]+)"', source)} | set(oidc._RULES.values())
    rules |= {"signature", "key", "no-system-users", "no-system-groups"}

    explained = set(re.findall(r"`([a-z-]+)(?: NAME)?`", PAGE.partition("## When somebody cannot come in")[2]))

    assert rules - {"issuer"} <= explained  # a wrong issuer is another's token before it is anything else


def test_every_header_and_parameter_that_is_refused_is_named():
    """So that whoever runs a proxy in front knows what it must not send."""
    section = PAGE.partition("## How a token is sent")[2].partition("\n## ")[0].lower()

    for prefix in _IDENTITY_PREFIXES:
        assert f"`{prefix.decode()}*`" in section
    for header in _IDENTITY_HEADERS:
        assert f"`{header.decode()}`" in section or f"`-{header.decode().removeprefix('x-forwarded-')}`" in section
    for parameter in _TOKEN_PARAMETERS:
        assert parameter in section
