#!/bin/sh
# Build the wheel of a checkout whose assets are built.  Usage: wheel.sh SOURCE FOLDER
# The same source gives the same bytes: times in the archive are this one moment.
set -eu
test -f "$1/gateway/graphiql/dist/index.html" || { echo "wheel.sh: run assets.sh first" >&2; exit 1; }
. "$(dirname "$0")/uv.sh"
SOURCE_DATE_EPOCH=1767225600 "$uv" build --quiet --wheel --no-config \
    --build-constraint "$(dirname "$0")/build-constraints.txt" --out-dir "$2" "$1"
