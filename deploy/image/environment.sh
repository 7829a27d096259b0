#!/bin/sh
# Install the locked packages and the wheel where they will run.  Usage: environment.sh SOURCE WHEELS TARGET
# Every package is checked against its hash in uv.lock, and compiled now: the tree is read-only later.
set -eu
. "$(dirname "$0")/uv.sh"
"$uv" export --quiet --frozen --no-dev --no-emit-project --project "$1" --output-file "$2/requirements.txt" >/dev/null
"$uv" venv --quiet --no-project --python "$(command -v python3)" "$3"
"$uv" pip install --quiet --python "$3" --require-hashes --compile-bytecode --requirement "$2/requirements.txt"
"$uv" pip install --quiet --python "$3" --no-deps --compile-bytecode "$2"/binnacle-*.whl
