"""A cluster started by hand, for a developer: `python -m tests.cluster up`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

from tests.cluster import build, objects, programs
from tests.cluster.control_plane import GATEWAY, ControlPlane
from tests.cluster.exporters import Exporters
from tests.cluster.mirror import Mirror
from tests.cluster.process import ProgramFailed
from tests.cluster.prometheus import PrometheusServer, exporter_targets

NAMESPACES = ("shop", "payroll", "search")
LOOK_EVERY_S = 1.0


def up(*, nodes: int, pods: int, prometheus: bool) -> int:
    """Run until Ctrl-C or SIGTERM; the exit status."""
    plane = ControlPlane(with_controllers=True, with_kwok=True, say=say)
    needed = [*plane.needed_programs(), *([programs.PROMETHEUS] if prometheus else [])]
    try:
        programs.provide_all(needed, say)  # before the loop starts, so that Ctrl-C ends a build
        asyncio.run(run(plane, nodes=nodes, pods=pods, prometheus=prometheus))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("stopped")
        return 0
    except (build.CannotBuild, ProgramFailed) as error:
        say(str(error))
        return 1
    return 0


async def run(plane: ControlPlane, *, nodes: int, pods: int, prometheus: bool) -> None:
    """Start everything, say how to use it, and keep it until this task is cancelled."""
    task = asyncio.current_task()
    assert task, "run() is called in a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with contextlib.AsyncExitStack() as stack:
        say("starting the control plane ...")
        await stack.enter_async_context(plane)
        names = await fill(plane, nodes, pods)
        url = None
        if prometheus:
            say("starting Prometheus ...")
            exporters = stack.enter_context(Exporters(Mirror(plane)))
            server = PrometheusServer(exporter_targets(exporters.address, names), kwok_address=plane.kwok_address)
            url = (await stack.enter_async_context(server)).url
        print(instructions(plane, url), flush=True)
        while True:
            plane.check()
            await asyncio.sleep(LOOK_EVERY_S)


async def fill(plane: ControlPlane, nodes: int, pods: int) -> list[str]:
    """Create the nodes, pods dealt over namespaces and workers, and an account that may look; the nodes' names."""
    created = await plane.create(objects.nodes(nodes))
    names = [node["metadata"]["name"] for node in created]
    workers = names[1:] or names
    say(f"creating {pods} pods on {len(workers)} nodes ...")
    for number, namespace in enumerate(NAMESPACES):
        await plane.create_namespace(namespace)
        share = range(number, pods, len(NAMESPACES))
        await plane.create(
            (
                objects.pod(f"web-{index:05}", node=workers[index % len(workers)], cpu_use=f"{5 + index % 200}m")
                for index in share
            ),
            namespace,
        )
    user = await plane.create_service_account("viewer")
    await plane.allow(user, ["get", "list", "watch"], ["nodes", "pods", "namespaces", "services"])
    return names


def instructions(plane: ControlPlane, prometheus: str | None) -> str:
    """What a developer copies from the terminal."""
    kubectl = f"{programs.provide(programs.KUBECTL, say)} --kubeconfig {plane.kubeconfig}"
    serve = f"binnacle serve --kubeconfig {plane.kubeconfig_of(GATEWAY)}"
    lines = [
        "",
        f"kubeconfig (admin)    {plane.kubeconfig}",
        f"kubeconfig (gateway)  {plane.kubeconfig_of(GATEWAY)}",
        *([f"Prometheus            {prometheus}"] if prometheus else []),
        "",
        "look at it:           " + f"{kubectl} get nodes,pods -A",
        "serve it:             " + serve + (f" --prometheus-url {prometheus}" if prometheus else ""),
        "a token for it:       " + f"{kubectl} create token viewer",
        "",
        "Ctrl-C stops it and removes everything.",
    ]
    return "\n".join(lines)


def say(line: str) -> None:
    print(f"test cluster: {line}", file=sys.stderr, flush=True)
