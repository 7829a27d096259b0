#!/bin/sh
# Build the browser's assets in a checkout.  Usage: assets.sh SOURCE
# Needs Python 3.11 or newer; Node and npm come from the PATH, else from PyPI, and the packages from package-lock.json.
set -eu
cd "$1"
python3 -m gateway.graphiql.build
