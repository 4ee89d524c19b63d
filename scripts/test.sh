#!/usr/bin/env bash
# Sets everything up and passes the tests; arguments go to pytest.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
set_up test
cd "$root"
exec python -m pytest --numprocesses auto --dist worksteal "$@"
