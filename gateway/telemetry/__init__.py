"""What the process tells of itself to whoever is on call: metrics, traces, slow requests.

settings.py   what can be set
metrics.py    every metric, in one registry
seconds.py    histograms of seconds, for what every request tells
state.py      metrics that are read where the state is, when somebody scrapes: the watch cache, what is kept
lag.py        how late the event loop is
reviews.py    what was found out of tokens and rights
upstream.py   calls to the API server and to Prometheus, by aiohttp's own hooks
traces.py     spans of a request, its phases and its upstream calls; off unless switched on
request.py    one request as it goes: what becomes its metrics, its span and its line in the log of slow ones
endpoint.py   /metrics: on a port of its own, or for whoever the cluster allows to `get` it

The packages below count in plain attributes and know none of this. Everything is made once, in `open_gateway`.
"""
