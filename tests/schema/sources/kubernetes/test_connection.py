"""The way in: which one the settings mean, credentials that stay fresh, and mistakes that name their key."""

import asyncio
import base64
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from schema.sources.kubernetes import connection
from schema.sources.kubernetes.connection import (
    CredentialsUnavailable,
    KubernetesConfigError,
    TokenFile,
    Unchanging,
    connect,
)
from schema.sources.kubernetes.settings import KubernetesSettings
from tests.cluster.keys import Authority
from tests.schema.sources.kubernetes.clock import Clock


def kubeconfig(path: Path, user: dict[str, Any], *, server: str = "http://10.0.0.1:8080", **cluster: Any) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "me", "user": user}],
        "contexts": [
            {"name": "mine", "context": {"cluster": "here", "user": "me"}},
            {"name": "other", "context": {"cluster": "here", "user": "me"}},
        ],
        "current-context": "mine",
    }
    path.write_text(yaml.safe_dump(content))
    return path


async def authorization(way: connection.Connection, *, rejected: bool = False) -> str | None:
    return (await way.credentials.headers(rejected=rejected)).get("Authorization")


async def test_a_kubeconfigs_token_is_sent(tmp_path: Path):
    """Server and token of the current context, or of the one asked for."""
    file = kubeconfig(tmp_path / "config", {"token": "abc"})

    for settings in (KubernetesSettings(kubeconfig=file), KubernetesSettings(kubeconfig=file, context="other")):
        way = await connect(settings, {})
        assert way.server == "http://10.0.0.1:8080"
        assert await authorization(way) == "Bearer abc"
        assert isinstance(way.credentials, Unchanging)


async def test_kubectls_own_kubeconfig_is_the_last_resort(tmp_path: Path):
    """$KUBECONFIG is read when it is needed, and may be a list of which some do not exist."""
    file = kubeconfig(tmp_path / "config", {"token": "abc"})

    way = await connect(KubernetesSettings(), {"KUBECONFIG": f"{tmp_path}/none{os.pathsep}{file}"})

    assert await authorization(way) == "Bearer abc"


async def test_an_explicit_server_needs_no_kubeconfig(tmp_path: Path):
    """Its token file is read when it is first needed."""
    token = tmp_path / "token"
    token.write_text("abc\n")

    way = await connect(KubernetesSettings(server="http://10.0.0.1:8080/", token_file=token), {})

    assert way.server == "http://10.0.0.1:8080"
    assert await authorization(way) == "Bearer abc"


async def test_in_a_pod_the_service_account_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without any setting; proxies of the environment are not for the API server there."""
    authority = Authority(tmp_path)
    token = tmp_path / "token"
    token.write_text("abc")
    environ = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setattr(connection, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(connection, "SERVICE_CERT_FILENAME", str(authority.certificate))

    way = await connect(KubernetesSettings(), environ)

    assert way.server == "https://10.96.0.1:443"
    assert way.proxy is None
    assert way.configuration.ssl_ca_cert == str(authority.certificate)
    assert await authorization(way) == "Bearer abc"


async def test_outside_of_a_pod_proxies_are_obeyed_as_by_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """NO_PROXY too, and the kubeconfig's own goes first."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "10.0.0.2")
    own = kubeconfig(tmp_path / "own", {"token": "abc"}, **{"proxy-url": "http://own:3128"})

    assert (await connect(KubernetesSettings(server="http://10.0.0.1:80"), {})).proxy == "http://proxy:3128"
    assert (await connect(KubernetesSettings(server="http://10.0.0.2:80"), {})).proxy is None
    assert (await connect(KubernetesSettings(kubeconfig=own), {})).proxy == "http://own:3128"


# --------------------------------------------------------------------------------------------------- staying fresh


async def test_a_token_file_is_read_again_once_a_minute(tmp_path: Path):
    """The kubelet replaces it while we run."""
    file, clock = tmp_path / "token", Clock()
    credentials = TokenFile(file, clock)
    file.write_text("first")
    first = await credentials.headers(rejected=False)
    file.write_text("second")
    clock.now += 59
    soon = await credentials.headers(rejected=False)
    clock.now += 1
    later = await credentials.headers(rejected=False)

    assert first == soon == {"Authorization": "Bearer first"}
    assert later == {"Authorization": "Bearer second"}


async def test_a_rejected_token_is_read_again_at_once(tmp_path: Path):
    """It may have been replaced a second ago."""
    file = tmp_path / "token"
    credentials = TokenFile(file, Clock())
    file.write_text("first")
    await credentials.headers(rejected=False)
    file.write_text("second")

    assert await credentials.headers(rejected=True) == {"Authorization": "Bearer second"}


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), (b" \n", "is empty"), (b"\xff", "decode")])
async def test_a_token_file_without_a_token_is_one_line(tmp_path: Path, content: bytes | None, reason: str):
    """With the path, and without a traceback."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(CredentialsUnavailable, match=reason) as caught:
        await TokenFile(file).headers(rejected=False)

    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def plugin(folder: Path, **status: str) -> dict[str, Any]:
    """An exec plugin whose n-th run gives the token `run-n`."""
    runs, script = folder / "runs", folder / "plugin"
    api = "client.authentication.k8s.io/v1"
    script.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib\n"
        f"runs = pathlib.Path({str(runs)!r})\n"
        "n = len(runs.read_text()) + 1 if runs.exists() else 1\n"
        "runs.write_text('x' * n)\n"
        f"status = {{'token': f'run-{{n}}', **{status!r}}}\n"
        f"print(json.dumps({{'apiVersion': {api!r}, 'kind': 'ExecCredential', 'status': status}}))\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": api, "command": str(script), "interactiveMode": "Never"}}


async def test_an_exec_plugin_runs_again_when_its_token_was_refused(tmp_path: Path):
    """Without an expiry it counts until then; many requests refused at once cost one run."""
    way = await connect(KubernetesSettings(kubeconfig=kubeconfig(tmp_path / "c", plugin(tmp_path))), {})

    assert await authorization(way) == await authorization(way) == "Bearer run-1"
    refused = await asyncio.gather(*(authorization(way, rejected=True) for _ in range(5)))
    assert refused == ["Bearer run-2"] * 5


async def test_an_exec_plugin_runs_again_before_its_token_ends(tmp_path: Path):
    """5 minutes before, and not before every request when all its tokens live shorter."""
    user = plugin(tmp_path, expirationTimestamp="2026-01-01T00:00:00Z")
    way = await connect(KubernetesSettings(kubeconfig=kubeconfig(tmp_path / "c", user)), {})
    clock = Clock()
    way.credentials._clock = clock  # type: ignore[attr-defined]
    way.credentials._loaded_at = clock.now  # type: ignore[attr-defined]

    assert [await authorization(way) for _ in range(3)] == ["Bearer run-1"] * 3
    clock.now += 11
    assert [await authorization(way) for _ in range(3)] == ["Bearer run-2"] * 3


async def test_a_plugin_that_fails_later_is_no_answer_from_the_api_server(tmp_path: Path):
    """Its words are the reason."""
    file = kubeconfig(tmp_path / "c", plugin(tmp_path))
    way = await connect(KubernetesSettings(kubeconfig=file), {})
    (tmp_path / "plugin").write_text("#!/bin/sh\necho no network >&2\nexit 3\n")

    with pytest.raises(CredentialsUnavailable, match="no network"):
        await authorization(way, rejected=True)


async def test_a_kubeconfigs_token_file_is_read_again(tmp_path: Path):
    """kubernetes-asyncio alone would read it once."""
    token = tmp_path / "token"
    token.write_text("first")
    file = kubeconfig(tmp_path / "c", {"tokenFile": str(token)})
    way = await connect(KubernetesSettings(kubeconfig=file), {})
    clock = Clock()
    way.credentials._clock = clock  # type: ignore[attr-defined]
    way.credentials._loaded_at = clock.now  # type: ignore[attr-defined]
    token.write_text("second")

    assert await authorization(way) == "Bearer first"
    clock.now += 60
    assert await authorization(way) == "Bearer second"


# ------------------------------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    "mistake",
    [
        {"server": "10.0.0.1"},
        {"server": "http://a", "kubeconfig": "b"},
        {"server": "http://a", "context": "b"},
        {"ca_file": "a"},
        {"token_file": "a"},
        {"insecure_skip_tls_verify": True},
        {"server": "https://a", "client_key_file": "k"},
        {"servr": "https://a"},
    ],
)
def test_settings_that_contradict_each_other_are_refused(mistake: dict[str, Any]):
    """Before anything is read."""
    with pytest.raises(ValidationError):
        KubernetesSettings(**mistake)


async def expect_mistake(settings: KubernetesSettings, key: str, *words: str, environ: Any = None) -> None:
    with pytest.raises(KubernetesConfigError) as caught:
        await connect(settings, environ or {})

    line = str(caught.value)
    assert caught.value.key == key
    assert f"kubernetes.{key}" in line
    assert "\n" not in line
    for word in words:
        assert word in line


async def test_a_mistake_in_the_settings_is_one_line_that_names_the_key(tmp_path: Path):
    """With the value, and what would be right."""
    missing, junk, empty = tmp_path / "missing", tmp_path / "junk", tmp_path / "empty"
    junk.write_text("{ not: [yaml")
    empty.write_text("")
    good = kubeconfig(tmp_path / "good", {"token": "secret-token"})
    bad_authority = kubeconfig(
        tmp_path / "authority",
        {"token": "secret-token"},
        server="https://10.0.0.1",
        **{"certificate-authority-data": base64.b64encode(b"no certificate").decode()},
    )
    bad_plugin = kubeconfig(tmp_path / "plugin", {"exec": {"apiVersion": "v1", "command": "/no/such/plugin"}})

    await expect_mistake(KubernetesSettings(kubeconfig=missing), "kubeconfig", str(missing))
    await expect_mistake(KubernetesSettings(), "kubeconfig", str(missing), environ={"KUBECONFIG": str(missing)})
    await expect_mistake(KubernetesSettings(kubeconfig=junk), "kubeconfig", "no kubeconfig")
    await expect_mistake(KubernetesSettings(kubeconfig=empty), "kubeconfig", "no contexts")
    await expect_mistake(KubernetesSettings(kubeconfig=good, context="nope"), "context", "nope", "mine, other")
    await expect_mistake(KubernetesSettings(kubeconfig=bad_authority), "kubeconfig", "authorities")
    await expect_mistake(KubernetesSettings(kubeconfig=bad_plugin), "kubeconfig", "No such file")
    await expect_mistake(KubernetesSettings(server="https://a", ca_file=junk), "ca_file", str(junk))
    await expect_mistake(KubernetesSettings(server="https://a", token_file=missing), "token_file", str(missing))
    await expect_mistake(
        KubernetesSettings(server="https://a", client_certificate_file=junk, client_key_file=junk),
        "client_certificate_file",
        str(junk),
    )


async def test_a_current_context_that_does_not_exist_is_the_kubeconfigs_mistake(tmp_path: Path):
    """Nobody asked for it by name."""
    file = kubeconfig(tmp_path / "c", {"token": "abc"})
    content = yaml.safe_load(file.read_text())
    content["current-context"] = "gone"
    file.write_text(json.dumps(content))

    await expect_mistake(KubernetesSettings(kubeconfig=file), "kubeconfig", "gone", "mine, other")
