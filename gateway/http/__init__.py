"""The ASGI rim: what a request meets before the schema, and what an answer passes on its way out.

rim.py             request ids, the one log line per request, the last resort for mistakes of ours
authentication.py  the first lock: the token, before the body is read
explorer.py        GraphiQL's page and assets, the only thing on /graphql that needs no token
graphql.py         GraphQL over HTTP
admission.py       how many requests are at work at once, of all and of each user
vigil.py           work ends at the time limit, or when the client is gone
media.py           which media type an answer has
answers.py         results and errors as bytes: the only place that encodes, and that masks
packing.py         entity tags and compression
health.py          /healthz and /readyz
"""
