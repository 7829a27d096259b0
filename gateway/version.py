"""Which Binnacle this is, as the installed package says it."""

from importlib.metadata import version

VERSION = version("binnacle")

# Sent with every request to the API server and to Prometheus, so that their logs say who asks.
USER_AGENT = f"binnacle/{VERSION}"
