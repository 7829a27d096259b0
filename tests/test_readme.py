"""The README's commands do what it says. `make readme` walks them in a fresh clone, for which this checkout stands."""

import contextlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.cluster.control_plane import Refused
from tests.cluster.fixtures import NODES, Namespace
from tests.cluster.prometheus import PrometheusServer
from tests.deploy.policy import uv_command
from tests.readme import ROOT, Walk, names, new_user

CREATED = (
    "/api/v1/namespaces/default/serviceaccounts/me",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles/binnacle-viewer",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/me-viewer",
)


async def test_from_the_readme_alone_to_the_nested_answer_of_ones_own_cluster(
    namespace: Namespace, real_prometheus: PrometheusServer, tmp_path: Path
):
    """Serve, make an account, ask: by the commands of its code blocks, as they stand."""
    if not (ROOT / "Makefile").exists():
        pytest.skip("no checkout")
    plane = namespace.cluster
    await namespace.run_pods("readme")
    (home := tmp_path / "home").mkdir()
    environment = new_user(home, plane.kubeconfig)
    with_uv = [str(Path(uv_command()).parent), environment["PATH"]]  # `make readme` fetches it, too
    environment["PATH"] = os.pathsep.join(with_uv)
    try:
        answer, _ = await Walk(ROOT, environment, real_prometheus.url, tmp_path / "log").to_the_answer()
    finally:
        for path in CREATED:
            with contextlib.suppress(Refused):
                await plane.request("DELETE", path)

    shown = names(answer)
    assert set(NODES) <= set(shown)
    assert "readme" in {pod for pods in shown.values() for pod in pods}


@pytest.mark.parametrize("page", ["README.md", "docs/deploy.md"])
def test_what_is_to_be_typed_can_be_typed(page: str):
    """Each block for a shell is one: nothing to be cut away, no output in between."""
    for block in re.findall(r"^```console\n(.*?)\n```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL):
        read = subprocess.run(["bash", "-n", "-c", block], capture_output=True, text=True, check=False)
        assert (read.returncode, block.startswith(("$", ">"))) == (0, False), block + read.stderr
