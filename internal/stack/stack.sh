#!/usr/bin/env bash
# The local stack. `make` calls it, and tests do with a STACK_DIR and ports of their own; `stack.sh help` lists all.
# This only sees to it that there is a Python; the rest is internal/stack/stack.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
PYTHON=/usr/bin/python3

install_python() {
  local as_root=()
  echo "==> installing Debian's python3" >&2
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "error: python3 is missing and only root may install it: apt-get install python3" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=300 update >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 install python3 >&2
}

if [ ! -x "$PYTHON" ]; then install_python; fi
# -E, -s: the caller's Python environment is none of ours. -B: the checkout stays clean.
exec "$PYTHON" -EsB "$HERE/main.py" "$@"
