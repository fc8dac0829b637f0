# What the bash scripts of this folder need to build and to run Python.
# Sourced; see common.sh.

# shellcheck disable=SC2034 # read by the scripts that source this
VENV=$ROOT/.local/venv

require_swift() {
  if ! have swift; then
    fail "Swift was not found in PATH. Swift 6.3 or later is the one thing to install by hand:" \
      "https://www.swift.org/install/linux/"
  fi
}
