#!/usr/bin/env bash
# Builds the wheel and runs the demo from it, in an environment that holds nothing else: a new virtual
# environment with the core's dependencies, an empty home, no settings, and not the checkout.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/home" "$folder/elsewhere"

"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" wheel --quiet --quiet --no-deps --wheel-dir "$folder" "$root"
wheel=$(echo "$folder"/*.whl)

# Templates, migrations, scripts of pages: every file of the packages is in the wheel.
# Through files, since a command that fails inside <(…) fails nothing.
git -C "$root" ls-files bandit_platform dashboards | sort >"$folder/wanted"
"$python" -m zipfile --list "$wheel" | awk '{print $1}' | sort >"$folder/packed"
[ -s "$folder/wanted" ] || { echo "git lists no files of the packages" >&2; exit 1; }
missing=$(comm -23 "$folder/wanted" "$folder/packed")
[ -z "$missing" ] || { printf 'not in the wheel:\n%s\n' "$missing" >&2; exit 1; }

"$folder/venv/bin/pip" install --quiet --quiet --constraint "$root/constraints.txt" "$wheel"
cd "$folder/elsewhere"
run() { env --ignore-environment HOME="$folder/home" PATH="$folder/venv/bin:/usr/bin:/bin" LANG=C.UTF-8 "$@"; }
run python -c "
import sys, bandit_platform, dashboards
for package in (bandit_platform, dashboards):
    assert package.__file__.startswith(sys.prefix), package.__file__"
run bandit-platform demo --shoppers 500 --exit
