"""Faults under load: real parts that break in turn, fifty clients, and a model of what was written.

    model.py    what was written, moment by moment, and whether an answer shows one of these moments
    load.py     who writes to the cluster, and who asks the gateway meanwhile
    stage.py    the parts: control plane, Prometheus, proxies between them and the gateway, a process of its own
    faults.py   what is done to them, and what a client may then be told
    report.py   a line as it goes, a table at the end
    run.py      a schedule of faults, and what must be as before when it is over

`make soak`, or `python -m tests.soak --minutes 5 --seed 7`.
"""
