#!/bin/sh
# Makes .venv from requirements/dev.txt, with nothing but a Python on the machine. `bootstrap.sh uv` only prints where uv is.
set -eu
cd "$(dirname "$0")/../.."
export UV_PYTHON_DOWNLOADS=never

fail() {
    printf '\n✗ %s\n' "$1" >&2
    shift
    [ $# = 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1; }

find_python() {
    for candidate in ${PYTHON_FOR_MUSUBI:-} python3 python3.13 python3.12 python3.11 python; do
        if fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    here=$(command -v python3 >/dev/null && python3 --version 2>&1 || echo "no python3")
    fail "Python 3.11, 3.12 or 3.13 is needed and not found. Here is: $here" \
        "Install one of them, or name it: make PYTHON_FOR_MUSUBI=/path/to/python3.12 …"
}

find_uv() {
    if [ -x .tools/uv/bin/uv ]; then
        echo .tools/uv/bin/uv
    elif command -v uv >/dev/null 2>&1; then
        command -v uv
    else
        fetch_uv
    fi
}

fetch_uv() {
    echo "fetching uv into .tools" >&2
    python=$(find_python)
    "$python" -m venv .tools/uv >&2 || fail "$python cannot make environments. On Debian: apt install python3-venv"
    .tools/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
        -r requirements/bootstrap.txt >&2 || {
        rm -rf .tools/uv
        fail "uv could not be fetched from the package index (see above)." \
            "The first run needs a network. Behind a proxy or mirror: set HTTPS_PROXY, or pip's own settings (PIP_INDEX_URL)."
    }
    echo .tools/uv/bin/uv
}

uv=$(find_uv)
if [ "${1:-}" = uv ]; then
    echo "$uv"
    exit
fi

if [ ! -x .venv/bin/python ] || ! fits .venv/bin/python; then
    python=$(find_python)
    "$uv" venv --quiet --clear --python "$python" .venv
fi
echo "installing what requirements/dev.txt names into .venv"
"$uv" pip sync --quiet --python .venv/bin/python --require-hashes requirements/dev.txt ||
    fail "The packages of requirements/dev.txt could not be installed (see above)." \
        "The first run needs a network. Behind a proxy or mirror: set HTTPS_PROXY, or uv's own settings (UV_DEFAULT_INDEX)."

cat > .venv/bin/musubi <<'SHIM'
#!/bin/sh
here=$(cd "$(dirname "$0")/../.." && pwd)
PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" exec "$here/.venv/bin/python" -m musubi "$@"
SHIM
chmod +x .venv/bin/musubi
touch .venv/.installed
