#!/usr/bin/env bash
# For the other scripts: `set_up EXTRA …` makes a virtual environment and puts it on the PATH.
# It lies in .venv of the checkout, or in $BANDIT_PLATFORM_VENV. Extras are those of pyproject.toml.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

set_up() {
    local venv=${BANDIT_PLATFORM_VENV:-$root/.venv} python=${PYTHON:-python3}
    local extras stamp
    extras=$(IFS=,; echo "$*")
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "bandit-platform needs Python 3.11 or newer; set PYTHON to one." >&2
        return 1
    }
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || {
        echo "no virtual environment could be made in $venv (on Debian: apt-get install python3-venv)" >&2
        return 1
    }
    # Nothing is installed again until something that decides it has changed.
    stamp="$venv/.installed-${extras:-core}"
    if [ ! -f "$stamp" ] || [ "$root/pyproject.toml" -nt "$stamp" ] || [ "$root/constraints.txt" -nt "$stamp" ]; then
        echo "Installing into $venv …" >&2
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
            --constraint "$root/constraints.txt" --editable "$root${extras:+[$extras]}" >&2
        touch "$stamp"
    fi
    export PATH="$venv/bin:$PATH"
    # Processes that are started again and again need not compile the product each time.
    unset PYTHONDONTWRITEBYTECODE
}
