"""Who may know a token beside the API server, and the order in which all of them are asked.

chosen.py      from settings to authenticators
in_order.py    one after the other, until one knows
oidc.py        tokens of an OpenID Connect issuer, verified here
issuer.py      that issuer: where its keys are, and the keys
token_file.py  a file of tokens
reserved.py    the names that only the cluster's own authenticators may give
"""
