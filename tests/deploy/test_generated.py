"""What deploy/ says twice is the same: the chart's schema and the settings, rights and kinds, chart and manifests."""

import json
import re

import pytest
import yaml

from deploy.dashboards import dashboards
from deploy.render import CHART, DASHBOARDS, HERE, MANIFESTS, VALUES_SCHEMA, manifests, values_schema
from schema.sources.kubernetes import kinds
from tests.deploy.helm import Helm

ANEW = "run `make manifests`, and commit what it writes"


def test_the_charts_schema_knows_the_gateways_settings():
    assert VALUES_SCHEMA.read_text() == values_schema(), ANEW


def test_the_chart_asks_for_exactly_the_kinds_that_the_gateway_watches():
    """A kind added to schema/sources/kubernetes/kinds.py needs its rule in deploy/chart/values.yaml, `rbac.watch`."""
    declared = {
        (kind.api_version.rpartition("/")[0], kind.name)
        for kind in vars(kinds).values()
        if isinstance(kind, kinds.Kind)
    }
    rules = yaml.safe_load((CHART / "values.yaml").read_text())["rbac"]["watch"]
    granted = [(rule["apiGroup"], resource) for rule in rules for resource in rule["resources"]]
    assert len(granted) == len(set(granted))
    assert set(granted) == declared


def test_the_dashboards_ask_what_the_gateway_asks():
    assert {file.name: file.read_text() for file in DASHBOARDS.iterdir()} == dict(dashboards()), ANEW


def test_the_pages_name_only_values_that_the_chart_has():
    """What stands between backquotes and begins as a value does must be one."""
    schema = json.loads(VALUES_SCHEMA.read_text())
    for page in ("docs/deploy.md", "docs/operations.md", "README.md"):
        for name in re.findall(r"`([a-z]\w*(?:\.\w+)+)(?<!\.k8s\.io)(?:=\w+)?`", (HERE.parent / page).read_text()):
            found = schema
            for key in name.split(".") if name.split(".")[0] in schema["properties"] else ():
                if "properties" not in found:
                    break  # Kubernetes' own, such as resources
                assert key in found["properties"], (page, name)
                found = found["properties"][key]


@pytest.mark.cluster  # Helm may have to be built
def test_the_plain_manifests_are_what_the_chart_renders(helm: Helm):
    written = {file.name: file.read_text() for file in MANIFESTS.iterdir()}
    assert written == dict(manifests(helm.run)), ANEW
