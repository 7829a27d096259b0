"""The ASGI rim: what a request meets before the schema, and what an answer passes on its way out.

rim.py             request ids, the one log line per request, the last resort for mistakes of ours
authentication.py  the first lock: the token, before the body is read
explorer.py        GraphiQL's page and assets, the only thing on /graphql that needs no token
protocol.py        connections: what each may hold, and for how long
tls.py             versions, ciphers, and files that change while serving
graphql.py         GraphQL over HTTP
persisted.py       documents that are named instead of sent, and those that alone may be
unsent.py          how much of large answers waits for its readers
admission.py       how many requests are at work at once, of all and of each user
vigil.py           work ends at the time limit, or when the client is gone
media.py           which media type an answer has
answers.py         results and errors as bytes: the only place that encodes, and that masks
packing.py         entity tags and compression
shared_secret.py   what replicas must agree on, for the same tags
health.py          /healthz and /readyz
"""
