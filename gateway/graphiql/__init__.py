"""The GraphiQL explorer: a small web app (src/), its build (build.py), and what the gateway serves (assets.py)."""
