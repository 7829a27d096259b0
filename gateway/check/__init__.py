"""`binnacle check`: what works of config, cluster, permissions and Prometheus, and what to do about the rest.

command.py           runs all of it
findings.py          what was found of one thing, and how all of it is told
cluster.py           the API server: whether it answers, as what, and what the gateway's account may
metrics.py           Prometheus: whether it answers, and under which profile it has the series
scrapes.py           how often Prometheus scrapes, beside what is configured
resource_metrics.py  metrics.k8s.io in the place of a Prometheus: whether it is there, and may be listed
surroundings.py      the certificate shown to clients, an issuer of tokens, and a Grafana beside

It asks as the gateway would, with the same settings, and changes nothing.
"""
