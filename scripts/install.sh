#!/usr/bin/env bash
# Makes .venv with Python 3.11 and installs what the given lock pins, with a line of progress instead of pip's pages.
set -euo pipefail
lock=$1

python=
for candidate in python3.11 python3 python; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [[ -z $python ]]; then
  echo "callseal needs Python 3.11: install it so that python3.11 or python3 starts it" >&2
  exit 1
fi

"$python" -m venv .venv
total=$(grep -c '==' "$lock")
[[ -t 1 ]] && step=1 || step=30
.venv/bin/pip install --disable-pip-version-check --no-input --progress-bar off -r "$lock" 2>&1 | awk -v total="$total" -v step="$step" '
  /^(Collecting|Processing) / { if (++n % step == 0) { printf "%spackages: %d of %d found", step == 1 ? "\r" : "", n, total; if (step > 1) print ""; fflush() } next }
  /^Installing collected/ { printf "%sinstalling %d packages, a few minutes\n", step == 1 ? "\r\033[K" : "", n; fflush(); next }
  /^(ERROR|error|Traceback|    .*hash)/ { print > "/dev/stderr" }'
