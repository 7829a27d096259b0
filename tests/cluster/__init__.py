"""A real cluster for tests, without containers: Kubernetes' own control plane, KWOK for kubelets, Prometheus.

`python -m tests.cluster build` finds or builds the programs, `python -m tests.cluster up` starts them by hand,
and `tests/cluster/fixtures.py` gives them to tests.
"""
