"""`make manifests`: writes what deploy/ says twice, anew from where it is said once.

    chart/values.schema.json, `config`   from the gateway's settings models
    monitoring/dashboards/               from the gateway's PromQL (dashboards.py)
    manifests/                           from the chart with its default values, by Helm, for those without Helm

Tests compare all three with what this module would write (tests/deploy/test_generated.py).
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from deploy.dashboards import dashboards
from gateway.config import Config

HERE: Final = Path(__file__).parent
CHART: Final = HERE / "chart"
VALUES_SCHEMA: Final = CHART / "values.schema.json"
MANIFESTS: Final = HERE / "manifests"
DASHBOARDS: Final = HERE / "monitoring" / "dashboards"
NAMESPACE: Final = "binnacle"
RELEASE: Final = "binnacle"
SHARED: Final = "binnacle-shared"  # a Secret that no file of a checkout can hold: who installs makes it

# The chart says these itself: the pod's port, what is mounted from Secrets, the pod's own service account.
_THE_CHARTS_OWN: Final = frozenset({
    "host", "port", "protocol", "tls_certificate", "tls_key", "shared_secret_file", "metrics_host", "metrics_port",
})  # fmt: skip
_THE_PODS_OWN: Final = "kubernetes"

# What of a settings model's JSON schema the chart repeats: enough to name a misspelt key or an impossible value.
_KEPT: Final = frozenset({
    "type", "enum", "const", "anyOf", "items", "additionalProperties", "properties", "required",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength",
})  # fmt: skip

_FROM_HELM: Final = re.compile(r"^\s*(app\.kubernetes\.io/managed-by|helm\.sh/chart): .*\n", re.MULTILINE)
_SOURCE: Final = re.compile(r"^# Source: binnacle/templates/(\S+)\n", re.MULTILINE)
_KUSTOMIZATION: Final = """\
# Binnacle without Helm. Written by `make manifests` from the chart: change that, or lay a kustomization of your own
# over this one (image, nodePort, the config's prometheus.url). The secret that replicas share is yours to make; the
# pods wait for it:
#
#   kubectl apply -k deploy/manifests
#   kubectl create secret generic {secret} --namespace {namespace} --from-literal=secret="$(openssl rand -hex 32)"
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {namespace}
resources:
{resources}
"""
_NAMESPACE_MANIFEST: Final = """\
apiVersion: v1
kind: Namespace
metadata:
  name: {namespace}
  labels:
    # The pods need nothing that this level forbids.
    pod-security.kubernetes.io/enforce: restricted
"""


def main() -> int:
    from tests.cluster import build, programs  # a checkout's only: the image has no use for it

    try:
        helm = programs.provide(programs.HELM, lambda line: print(line, file=sys.stderr))
    except build.CannotBuild as error:
        print(f"make manifests: Helm is not to be had here: {error}", file=sys.stderr)
        return 1
    VALUES_SCHEMA.write_text(values_schema(), encoding="utf-8")
    _write(DASHBOARDS, dashboards())
    _write(MANIFESTS, manifests(lambda *arguments: _helm(helm, *arguments)))
    return 0


def values_schema() -> str:
    """The chart's schema, with `config` as the gateway's settings have it now."""
    schema = json.loads(VALUES_SCHEMA.read_text(encoding="utf-8"))
    schema["properties"]["config"] = _config_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def manifests(helm: Callable[..., str]) -> Mapping[str, str]:
    """File name to content; `helm` runs a Helm command and answers what it printed."""
    rendered = helm(
        "template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--no-hooks",
        "--set", f"sharedSecret.existingSecret={SHARED}",
    )  # fmt: skip
    files: dict[str, list[str]] = {}
    for document in re.split(r"^---\n", rendered, flags=re.MULTILINE):
        if source := _SOURCE.search(document):
            plain = _FROM_HELM.sub("", _SOURCE.sub("", document)).strip()
            files.setdefault(source.group(1), []).append(plain)
    written = {name: "\n---\n".join(parts) + "\n" for name, parts in sorted(files.items())}
    namespace = {"namespace.yaml": _NAMESPACE_MANIFEST.format(namespace=NAMESPACE)}
    resources = "\n".join(f"  - {name}" for name in (*namespace, *written))
    kustomization = _KUSTOMIZATION.format(namespace=NAMESPACE, secret=SHARED, resources=resources)
    return {**namespace, **written, "kustomization.yaml": kustomization}


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Make the folder hold these files and no others."""
    folder.mkdir(exist_ok=True)
    for stale in {file.name for file in folder.iterdir()} - set(files):
        (folder / stale).unlink()
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")


def _config_schema() -> dict[str, Any]:
    sections = {}
    for name, field in Config.model_fields.items():
        model: Any = field.annotation
        if name != _THE_PODS_OWN:
            whole = model.model_json_schema()
            section = _kept(whole, whole.get("$defs", {}))
            section["properties"] = {
                key: value for key, value in section["properties"].items() if key not in _THE_CHARTS_OWN
            }
            sections[name] = section
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["server", "prometheus"],
        "properties": sections,
    }


def _kept(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema less titles, descriptions, defaults, formats and patterns, its definitions in their places."""
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        return _kept(definitions[reference.rsplit("/", 1)[1]], definitions)
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key not in _KEPT:
            continue
        match key:
            case "properties":
                kept[key] = {name: _kept(property_, definitions) for name, property_ in value.items()}
            case "anyOf":
                kept[key] = [_kept(option, definitions) for option in value]
            case _:
                kept[key] = _kept(value, definitions)
    return kept


def _helm(program: Path, *arguments: str) -> str:
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
