"""The three places that settings are written in, each as a list of what was given there, with its author's words.

In the file stand sections of keys, and the flat keys of the dashboard that Binnacle replaces; the environment has
BINNACLE_<SECTION>__<KEY>; the flags are those of `binnacle serve`. A name that nobody knows is a mistake in all three.
"""

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway import config_file
from gateway.config_mistakes import (
    ConfigError,
    Given,
    Known,
    allowed,
    closest,
    holds,
    mistake,
    one_line,
    shown,
    similarity,
)

FLAGS: Final[Mapping[str, tuple[str, str]]] = {
    "--kubeconfig": ("kubernetes", "kubeconfig"),
    "--context": ("kubernetes", "context"),
    "--server": ("kubernetes", "server"),
    "--prometheus-url": ("prometheus", "url"),
    "--host": ("server", "host"),
    "--port": ("server", "port"),
    "--tls-certificate": ("server", "tls_certificate"),
    "--tls-key": ("server", "tls_key"),
    "--log-level": ("server", "log_level"),
    "--log-format": ("server", "log_format"),
}

OLD_KEYS: Final[Mapping[str, tuple[str, str]]] = {
    "k8sConfigPath": ("kubernetes", "kubeconfig"),
    "brokerListenPort": ("server", "port"),
    "brokerProtocol": ("server", "protocol"),
    "prometheusAddress": ("prometheus", "url"),  # these three are one URL
    "prometheusPort": ("prometheus", "url"),
    "prometheusProtocol": ("prometheus", "url"),
}

_PREFIX: Final = "BINNACLE_"

_PLAINLY_ALIKE: Final = 0.85  # below, `prometheusPass` would be a misspelt `prometheusPort`, and its value be shown

# What Kubernetes puts into every pod beside a Service whose name begins with "binnacle": BINNACLE_SERVICE_HOST,
# BINNACLE_PORT=tcp://10.0.0.1:8080, BINNACLE_PORT_8080_TCP_ADDR, … Nobody wrote them, so nobody misspelt them.
_SERVICE_VARIABLE: Final = re.compile(
    r"\w+_(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_SERVICE_ADDRESS: Final = re.compile(r"(?:tcp|udp|sctp)://\S+:\d+")


def from_flags(flags: Mapping[str, str], known: Known) -> tuple[Given, ...]:
    """What the command line says."""
    return tuple(_checked(Given(*FLAGS[flag], value, flag), known) for flag, value in flags.items() if value)


def from_environment(environ: Mapping[str, str], known: Known) -> tuple[Given, ...]:
    """What the environment says: BINNACLE_PROMETHEUS__URL and its like; lists and mappings as JSON."""
    variables = {variable(*key): key for key in known}
    given = []
    for name, value in environ.items():
        if not name.startswith(_PREFIX) or name == "BINNACLE_CONFIG" or _set_by_kubernetes(name, value) or not value:
            continue
        if name not in variables:
            raise _unknown_variable(name, value, known)
        key = variables[name]
        given.append(_checked(_decoded(Given(*key, value, name), known[key]), known))
    return tuple(given)


def variable(section: str, name: str) -> str:
    """The environment variable of a key."""
    return f"{_PREFIX}{section}__{name}".upper()


def from_file(path: Path | None, named_by: str, known: Known) -> tuple[Given, ...]:
    """What the config file says, if there is one."""
    if path is None:
        return ()
    written = {key: value for key, value in config_file.read(path, named_by).items() if not _empty(value)}
    sections = {section for section, _ in known}
    for key, value in written.items():
        if key not in sections and key not in OLD_KEYS:
            raise _unknown_key(key, value, path, known)
    new = [
        given
        for section in written
        if section in sections
        for given in _section(section, written[section], path, known)
    ]
    old = list(_old({key: written[key] for key in OLD_KEYS if key in written}, path))
    for before in old:
        for now in new:
            if (before.section, before.name) == (now.section, now.name):
                key = before.words.removesuffix(f" in {path}")
                raise ConfigError(one_line(f"{key} and {now.words} say the same thing: keep one of them"))
    return tuple(_checked(given, known) for given in (*new, *old))


def _section(section: str, content: object, path: Path, known: Known) -> Iterator[Given]:
    names = [name for parent, name in known if parent == section]
    if not isinstance(content, Mapping):
        raise ConfigError(one_line(f"{section} in {path}{shown(content, section, None)}: must hold {', '.join(names)}"))
    for name, value in content.items():
        if name not in names:
            raise _unknown_key(f"{section}.{name}", value, path, known)
        if not _empty(value):
            yield Given(section, name, value, f"{section}.{name} in {path}")


def _old(written: Mapping[str, object], path: Path) -> Iterator[Given]:
    """The old dashboard's keys under their new names."""
    for key in ("k8sConfigPath", "brokerListenPort", "brokerProtocol"):
        if key in written:
            yield Given(*OLD_KEYS[key], written[key], f"{key} in {path}")
    parts = {key: value for key, value in written.items() if key.startswith("prometheus")}
    if parts:
        yield Given("prometheus", "url", _url(parts, path), f"{', '.join(parts)} in {path}")


def _url(parts: Mapping[str, object], path: Path) -> str:
    """The address, port and protocol as one URL; http and Prometheus' own port where they are not given."""
    address = str(parts.get("prometheusAddress", ""))
    port, protocol = str(parts.get("prometheusPort", 9090)), parts.get("prometheusProtocol", "http")
    if protocol not in ("http", "https"):
        raise _wrong_part("prometheusProtocol", protocol, path, "must be http or https")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) <= 65_535):
        raise _wrong_part("prometheusPort", port, path, "must be a whole number from 1 to 65535")
    if not address:
        raise ConfigError(one_line(f"{', '.join(parts)} in {path}: nothing without prometheusAddress"))
    if _is_ipv6(address):
        address = f"[{address}]"
    elif not re.fullmatch(r"[\w.-]+|\[[0-9a-fA-F:.]+\]", address, re.ASCII):
        problem = "must be a host's name or IP address alone; a whole URL goes into prometheus.url"
        raise _wrong_part("prometheusAddress", address, path, problem)
    return f"{protocol}://{address}:{port}"


def _wrong_part(key: str, value: object, path: Path, problem: str) -> ConfigError:
    return mistake(Given("prometheus", "url", value, f"{key} in {path}"), FieldInfo(annotation=str), problem)


def _is_ipv6(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).version == 6
    except ValueError:
        return False


def _empty(value: object) -> bool:
    return value is None or value == ""


def _set_by_kubernetes(name: str, value: str) -> bool:
    return bool(
        _SERVICE_VARIABLE.fullmatch(name) or (name.endswith("_PORT") and _SERVICE_ADDRESS.fullmatch(value)),
    )


def _decoded(given: Given, field: FieldInfo) -> Given:
    """A variable is text; where keys and values or a list are wanted, that text is JSON."""
    if not holds(field, Mapping, BaseModel, list, tuple, frozenset):
        return given
    try:
        return replace(given, value=json.loads(str(given.value)))
    except json.JSONDecodeError as error:
        raise mistake(given, field, f"must be JSON ({error.msg} at column {error.colno})") from None


def _checked(given: Given, known: Known) -> Given:
    """`true` is refused where pydantic would read it as 1; `~` is the home directory, as a shell would have it."""
    field = known[given.section, given.name]
    if isinstance(given.value, bool) and not holds(field, bool):
        raise mistake(given, field, allowed(field))
    if isinstance(given.value, str) and given.value.startswith("~/") and holds(field, Path):
        return replace(given, value=str(Path(given.value).expanduser()))
    return given


def _unknown_key(key: str, value: object, path: Path, known: Known) -> ConfigError:
    """`key` as the file has it: at the top `prot`, in a section `server.prot`."""
    section, dot, _ = key.partition(".")
    top = [*_sections(known), *OLD_KEYS]
    meant = _meant(key, top, known)
    names = ", ".join(name for parent, name in known if parent == section) if dot else ", ".join(top)
    there_is = f"{section} has {names}" if dot else f"the keys are {names}"
    what = _plainly_meant(value, key, meant, known)
    return ConfigError(one_line(f"{key} in {path}{what}: no such key{_suggested(meant)} {there_is}"))


def _unknown_variable(name: str, value: str, known: Known) -> ConfigError:
    key = name.removeprefix(_PREFIX).lower()
    section = next((section for section in _sections(known) if key.startswith(f"{section}_")), None)
    if section is not None:
        key = f"{section}.{key.removeprefix(section).lstrip('_')}"
    meant = _meant(key, ["config"], known)
    suggestion = meant and (f"{_PREFIX}CONFIG" if meant == "config" else variable(*meant.split(".")))
    sections = ", ".join(section.upper() for section in _sections(known))
    there_is = f"the variables are BINNACLE_CONFIG and BINNACLE_<SECTION>__<KEY> with the sections {sections}"
    what = _plainly_meant(value, key, meant, known)
    return ConfigError(one_line(f"{name}{what}: no such variable{_suggested(suggestion)} {there_is}"))


def _sections(known: Known) -> list[str]:
    return list(dict.fromkeys(section for section, _ in known))


def _meant(key: str, top: Sequence[str], known: Known) -> str | None:
    """What was probably meant: spelt alike in the same section (or at the `top`), else of that name in another one."""
    section, dot, name = key.rpartition(".")
    here = [other for parent, other in known if parent == section] if dot else top
    if near := closest(name, here):
        return f"{section}{dot}{near}"
    elsewhere = [f"{parent}.{other}" for parent, other in known if similarity(name, other) == 1]
    return elsewhere[0] if len(elsewhere) == 1 else None


def _plainly_meant(value: object, key: str, meant: str | None, known: Known) -> str:
    """The value under an unknown name: shown only if it is plainly meant for a key that we know."""
    if isinstance(value, Mapping) or _empty(value):
        return ""
    target = OLD_KEYS.get(meant or "") or tuple((meant or "").split("."))
    field = known.get((target[0], target[1])) if len(target) == 2 else None
    name, other = key.rpartition(".")[2], (meant or "").rpartition(".")[2]
    a_number = field is not None and holds(field, int, float) and isinstance(value, int | float)
    plain = a_number or similarity(name, other) >= _PLAINLY_ALIKE
    return shown(value, name, field if plain else None)


def _suggested(meant: str | None) -> str:
    return f"; did you mean {meant}?" if meant else ";"
