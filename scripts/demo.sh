#!/usr/bin/env bash
# Sets everything up and runs the demo with simulated shoppers; arguments go to `bandit-platform demo`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
set_up
exec bandit-platform demo "$@"
