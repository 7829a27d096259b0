# Sourced by the other scripts: sets $uv, from the PATH, else from PyPI into a folder of its own.
uv=$(command -v uv) || {
    python3 -m venv /tmp/uv
    /tmp/uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
    uv=/tmp/uv/bin/uv
}
