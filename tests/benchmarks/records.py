"""`python -m tests.benchmarks.records`: what a record costs, in bytes kept and in time to make it; what details cost.

Pods as a kubelet of today reports them (`tests/cluster/objects.py`), of `--workloads` different label sets, sizes and
moments, one in ten with restarts. Bytes are Python's own count of what stays allocated, shared values included; times
are the best of three rounds. Each group of details is read of all pods, few of which are kept meanwhile, and once more
of a page of them.
"""

import argparse
import gc
import json
import math
import sys
import time
import tracemalloc
from collections.abc import Sequence
from typing import Any, Final

from schema.sources.kubernetes.containers import pod_containers
from schema.sources.kubernetes.details import Details, annotations
from schema.sources.kubernetes.kinds import PODS, Decoder
from schema.sources.kubernetes.objects import PodRecord, Sharing
from schema.sources.kubernetes.pod_details import pod_details
from tests.cluster import objects

ROUNDS: Final = 3
PAGE: Final = 50
DETAILS: Final[dict[str, Details[Any]]] = {
    "details": pod_details,
    "containers": pod_containers,
    "annotations": annotations,
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.records",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pods", type=int, default=15_000)
    parser.add_argument("--workloads", type=int, default=300)
    options = parser.parse_args(arguments)
    bodies = [_body(number, options.workloads) for number in range(options.pods)]
    size = sum(map(len, bodies)) / len(bodies)
    kept, cold = _bytes_kept(bodies)
    made = min(_seconds_to_make(bodies) for _ in range(ROUNDS))
    print(f"{len(bodies)} pods of {size:.0f} bytes of JSON, {options.workloads} workloads")
    print(f"kept a pod     {kept:7.0f} bytes, of them {cold:.0f} the compressed rest")
    print(f"made in        {made / len(bodies) * 1e6:7.1f} µs a pod")
    decoder = Decoder(PODS, Sharing())
    records = [decoder.decode(body) for body in bodies]
    for name, details in DETAILS.items():
        first, again = _read(details, records), _read(details, records[-PAGE:])
        print(f"{name:<15}{first:7.1f} µs a pod, {again:.1f} when it was read lately")
    return 0


def _read(details: Details[Any], records: Sequence[PodRecord]) -> float:
    """Microseconds a record."""
    best = math.inf
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for record in records:
            details(record)
        best = min(best, time.perf_counter() - begun)
    return best / len(records) * 1e6


def _bytes_kept(bodies: Sequence[bytes]) -> tuple[float, float]:
    """Bytes a record, and how many of them are its compressed rest."""
    decoder = Decoder(PODS, Sharing())
    gc.collect()
    tracemalloc.start()
    records = [decoder.decode(body) for body in bodies]
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept / len(records), sum(
        sys.getsizeof(record.rest) + sys.getsizeof(record.rest.packed) for record in records
    ) / len(records)


def _seconds_to_make(bodies: Sequence[bytes]) -> float:
    decoder = Decoder(PODS, Sharing())
    begun = time.perf_counter()
    for body in bodies:
        decoder.decode(body)
    return time.perf_counter() - begun


def _body(number: int, workloads: int) -> bytes:
    workload = number % workloads
    pod: dict[str, Any] = objects.pod(
        f"web-{workload}-{number:05}", node=f"node-{number % 500:04}", labels={"app": f"web-{workload}"}, containers=2
    )
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"web-{workload}", "uid": f"{workload:032x}"}
    pod["metadata"] |= {
        "namespace": f"team-{workload % 20}",
        "uid": f"{number:032x}",
        "resourceVersion": str(number),
        "creationTimestamp": f"2026-11-01T{workload // 60 % 24:02}:{workload % 60:02}:00Z",
        "ownerReferences": [{**owner, "controller": True}],
    }
    status = objects.running_status(pod, f"10.64.{number // 256}.{number % 256}", "10.100.0.1")
    for position, container in enumerate(pod["spec"]["containers"]):
        container["resources"]["requests"]["cpu"] = f"{10 + workload % 7 * 10}m"
        reported = status["containerStatuses"][position]
        reported |= {"resources": container["resources"], "allocatedResources": container["resources"]["requests"]}
        if number % 10 == 0:
            reported["restartCount"] = 3
            ended = {"exitCode": 137, "reason": "OOMKilled", "startedAt": objects.SINCE, "finishedAt": objects.SINCE}
            reported["lastState"] = {"terminated": ended}
    return json.dumps({**pod, "status": status}, separators=(",", ":")).encode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
