"""From settings to a way in: kubernetes-asyncio's configuration, and credentials that stay fresh.

Files are read here, at the start, and once more only for tokens that are replaced while we run (below). What is wrong
with them is a `KubernetesConfigError`: one line that names the key.

    settings                credentials                           read again
    server                  token file                            once a minute, and after a 401
    kubeconfig, context     token, password                       never
                            tokenFile, auth-provider              once a minute, and after a 401
                            exec plugin                           5 minutes before its token ends, and after a 401
    in a pod                the service account's token           once a minute, and after a 401

Certificate authorities, client certificates and keys that stand in files of their own are read again when these
change (tls.py); what is written in the kubeconfig itself is not. Known limits, kubernetes-asyncio's: certificates of
exec plugins are read once, and the refresh token that an OIDC provider replaces is not written back to the kubeconfig.

Proxies: outside of a pod `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are obeyed as by kubectl (names, not CIDRs), looked
at once, here; the kubeconfig's own `proxy-url` goes first. In a pod never: there they are meant for the way out of the
cluster, and an address of the cluster missing in NO_PROXY would send the gateway's requests to the proxy. `.netrc` is
never read.
"""

import asyncio
import os
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import yaml
from kubernetes_asyncio import config as kube
from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config.incluster_config import SERVICE_CERT_FILENAME, SERVICE_TOKEN_FILENAME
from kubernetes_asyncio.config.kube_config import KubeConfigLoader

from schema.sources.kubernetes.settings import KubernetesSettings

# The kubelet replaces a token at 80 % of its life, which is an hour as a rule and 10 minutes at the least.
REREAD_S: Final = 60.0

# A plugin may open a browser or ask a cloud; kubectl would wait for ever, a server must not.
EXEC_TIMEOUT_S: Final = 30.0

# A plugin whose tokens live shorter than our lead would otherwise run before every request.
EXEC_PAUSE_S: Final = 10.0
EXEC_LEAD: Final = timedelta(minutes=5)


class KubernetesConfigError(Exception):
    """The way to the API server cannot be built from the settings; `str()` is one line that names the key."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"kubernetes.{key}: `{value}` cannot be used: {allowed}")
        self.key = key
        self.value = str(value)
        self.allowed = allowed


class CredentialsUnavailable(Exception):  # noqa: N818 - what is the matter, not whose mistake
    """A token file or an exec plugin gave nothing; `str()` is one line with the reason, and never a token."""


class Credentials(Protocol):
    async def headers(self, *, rejected: bool) -> Mapping[str, str]:
        """What to send along; `rejected`: the API server has just answered 401, so whatever is remembered is stale."""
        ...


@dataclass(frozen=True, slots=True)
class Unchanging:
    """A token that never changes, or none: client certificates speak for themselves."""

    authorization: str | None = field(default=None, repr=False)

    async def headers(self, *, rejected: bool) -> Mapping[str, str]:  # noqa: ARG002 - there is nothing fresher
        return {} if self.authorization is None else {"Authorization": self.authorization}


class TokenFile:
    """A token that somebody else keeps fresh in a file."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._read_at: float | None = None
        self._token = ""

    async def headers(self, *, rejected: bool) -> Mapping[str, str]:
        if rejected or self._read_at is None or self._clock() - self._read_at >= REREAD_S:
            self._token = await asyncio.to_thread(self._read)
            self._read_at = self._clock()
        return {"Authorization": f"Bearer {self._token}"}

    def _read(self) -> str:
        try:
            token = self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialsUnavailable(f"token file {self._path}: {one_line(error)}") from None
        if not token:
            raise CredentialsUnavailable(f"token file {self._path} is empty")
        return token


class KubeconfigUser:
    """A user of a kubeconfig whose token comes from somewhere else: an exec plugin, an auth provider, a file.

    All of it is kubernetes-asyncio's: `load_and_set` reads, runs or asks what is due. This class only says when.
    """

    def __init__(
        self, loader: Any, configuration: Configuration, *, plugin: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._loader = loader
        self._configuration = configuration
        self._plugin = plugin
        self._clock = clock
        self._loaded_at = clock()  # the configuration comes loaded
        self._one_at_a_time = asyncio.Lock()

    async def headers(self, *, rejected: bool) -> Mapping[str, str]:
        if rejected or self._due():
            seen = self._loaded_at
            async with self._one_at_a_time:
                if self._loaded_at == seen:  # else another request has just done it
                    await self._load(rejected=rejected)
        authorization = self._configuration.api_key.get("BearerToken")
        return {} if authorization is None else {"Authorization": authorization}

    def _due(self) -> bool:
        age = self._clock() - self._loaded_at
        if not self._plugin:
            return age >= REREAD_S
        expiry = getattr(self._loader, "exec_plugin_expiry", None)  # without one, a token counts until it is refused
        return expiry is not None and age >= EXEC_PAUSE_S and expiry - EXEC_LEAD <= datetime.now(UTC)

    async def _load(self, *, rejected: bool) -> None:
        if rejected:
            self._loader.__dict__.pop("exec_plugin_expiry", None)  # else the loader would trust the refused token
        try:
            async with asyncio.timeout(EXEC_TIMEOUT_S):
                await self._loader.load_and_set(self._configuration)
        except TimeoutError:
            raise CredentialsUnavailable(f"the exec plugin did not end within {EXEC_TIMEOUT_S:.0f} s") from None
        except Exception as error:  # whatever a plugin, a provider's library or a file may raise
            raise CredentialsUnavailable(f"the kubeconfig's credentials: {one_line(error)}") from error
        finally:
            self._loaded_at = self._clock()


@dataclass(frozen=True, slots=True)
class Connection:
    """A way in: where to, through which proxy, with which TLS (`configuration`), and as whom (`credentials`)."""

    server: str
    proxy: str | None
    configuration: Configuration
    credentials: Credentials


async def connect(settings: KubernetesSettings, environ: Mapping[str, str] = os.environ) -> Connection:
    """Find the way in that the settings mean (their order is `KubernetesSettings`'s); raise KubernetesConfigError."""
    if settings.server is not None:
        return _explicit(settings, settings.server)
    if settings.kubeconfig is None and settings.context is None and _in_a_pod(environ):
        return _in_cluster(environ)
    return await _from_kubeconfig(settings, environ)


def _in_a_pod(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("KUBERNETES_SERVICE_HOST")) and Path(SERVICE_TOKEN_FILENAME).is_file()


def _in_cluster(environ: Mapping[str, str]) -> Connection:
    configuration = Configuration()
    try:
        kube.load_incluster_config(  # type: ignore[no-untyped-call]
            client_configuration=configuration,
            try_refresh_token=False,  # ours reads it again (TokenFile), and after a 401 too
            token_filename=SERVICE_TOKEN_FILENAME,
            cert_filename=SERVICE_CERT_FILENAME,
            environ=environ,
        )
    except (kube.ConfigException, OSError) as error:
        raise KubernetesConfigError("server", "", f"this pod's service account: {one_line(error)}") from error
    _check_authorities("ca_file", SERVICE_CERT_FILENAME)
    return Connection(_host(configuration), None, configuration, TokenFile(Path(SERVICE_TOKEN_FILENAME)))


def _explicit(settings: KubernetesSettings, server: str) -> Connection:
    configuration = Configuration(host=server)
    configuration.verify_ssl = not settings.insecure_skip_tls_verify
    if settings.ca_file is not None:
        _check_authorities("ca_file", settings.ca_file)
        configuration.ssl_ca_cert = str(settings.ca_file)
    if settings.client_certificate_file is not None and settings.client_key_file is not None:
        _check_pair("client_certificate_file", settings.client_certificate_file, settings.client_key_file)
        configuration.cert_file = str(settings.client_certificate_file)
        configuration.key_file = str(settings.client_key_file)
    credentials: Credentials = Unchanging()
    if settings.token_file is not None:
        if not os.access(settings.token_file, os.R_OK):
            raise KubernetesConfigError("token_file", settings.token_file, "a readable file with a token is needed")
        credentials = TokenFile(settings.token_file)
    host = _host(configuration)
    return Connection(host, _proxy_of_environment(host), configuration, credentials)


async def _from_kubeconfig(settings: KubernetesSettings, environ: Mapping[str, str]) -> Connection:
    # The list of paths in $KUBECONFIG is kubectl's; kubernetes-asyncio would read the variable when it is imported.
    paths = str(settings.kubeconfig or environ.get("KUBECONFIG") or "~/.kube/config")
    readable = _readable(paths)
    if not readable:
        raise KubernetesConfigError(
            "kubeconfig", paths, "a readable kubeconfig file is needed, or `server`, or a pod with a service account"
        )
    _check_context(settings, paths, readable)
    configuration = Configuration()
    try:
        async with asyncio.timeout(EXEC_TIMEOUT_S):
            # Not persisted: the gateway never writes to its user's files.
            loader = await kube.load_kube_config(
                config_file=os.pathsep.join(readable),
                context=settings.context,
                client_configuration=configuration,
                persist_config=False,
            )
    except TimeoutError:
        allowed = f"its exec plugin did not end within {EXEC_TIMEOUT_S:.0f} s"
        raise KubernetesConfigError("kubeconfig", paths, allowed) from None
    except Exception as error:  # plugins, base64, missing files, null where a mapping belongs: all of it is this file's
        raise KubernetesConfigError("kubeconfig", paths, one_line(error)) from error
    if configuration.ssl_ca_cert is not None:
        _check_authorities("kubeconfig", configuration.ssl_ca_cert, of=paths)
    if configuration.cert_file is not None:
        _check_pair("kubeconfig", configuration.cert_file, configuration.key_file, of=paths)
    host = _host(configuration)
    proxy = configuration.proxy or _proxy_of_environment(host)
    return Connection(host, proxy, configuration, _credentials_of(loader, configuration))


def _host(configuration: Configuration) -> str:
    return str(configuration.host).rstrip("/")


def _readable(paths: str) -> list[str]:
    expanded = (str(Path(path).expanduser()) for path in paths.split(os.pathsep) if path)
    return [path for path in expanded if os.access(path, os.R_OK)]


def _check_context(settings: KubernetesSettings, paths: str, readable: list[str]) -> None:
    """Name the contexts there are: kubernetes-asyncio only says that an "object with name" is missing."""
    names: list[str] = []
    current: str | None = None
    for path in readable:
        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
            names += [str(context["name"]) for context in content.get("contexts") or ()]
            current = current or content.get("current-context")
        except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
            raise KubernetesConfigError("kubeconfig", path, f"it is no kubeconfig: {one_line(error)}") from None
    if not names:
        raise KubernetesConfigError("kubeconfig", paths, "it has no contexts")
    wanted = settings.context or current
    if wanted not in names:
        key, value = (
            ("context", wanted or "") if settings.context or not wanted else ("kubeconfig", f"{paths}: {wanted}")
        )
        raise KubernetesConfigError(key, value, f"the kubeconfig's contexts are {', '.join(sorted(names))}")


def _credentials_of(loader: KubeConfigLoader, configuration: Configuration) -> Credentials:
    user = loader._user  # noqa: SLF001 - the loader tells nobody what kind of user it read
    if user is not None and "exec" in user:
        return KubeconfigUser(loader, configuration, plugin=True)
    if user is not None and ("auth-provider" in user or ("tokenFile" in user and "token" not in user)):
        return KubeconfigUser(loader, configuration, plugin=False)
    return Unchanging(configuration.api_key.get("BearerToken"))


def _check_authorities(key: str, path: Path | str, of: str | None = None) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:  # an SSLError is an OSError, and this reads better
        problem = f"certificate authorities (PEM) are needed in {path}: {one_line(error)}"
        raise KubernetesConfigError(key, of or path, problem) from None


def _check_pair(key: str, certificate: Path | str, private: Path | str | None, of: str | None = None) -> None:
    try:
        ssl.create_default_context().load_cert_chain(certificate, private)
    except (OSError, ssl.SSLError) as error:
        problem = f"a client certificate and its key (PEM) are needed in {certificate}, {private}: {one_line(error)}"
        raise KubernetesConfigError(key, of or certificate, problem) from None


def _proxy_of_environment(host: str) -> str | None:
    address = urlsplit(host)
    if address.hostname is None or proxy_bypass(address.netloc):
        return None
    return getproxies().get(address.scheme)


# aiohttp writes the context of a connection that failed into its message, as Python writes objects.
_TLS_OBJECT: Final = re.compile(r" ssl:(<[^>]*>|default|True|False|None)")


def one_line(error: BaseException) -> str:
    """What went wrong, for a person: the system's word for a failed file, else the exception's own first line."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return error.strerror
    lines = _TLS_OBJECT.sub("", str(error)).strip().splitlines()
    return lines[0] if lines else type(error).__name__
