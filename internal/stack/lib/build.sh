# Building the programs and the Python environment of the tests.
# Sourced; see common.sh.

VENV=$ROOT/.local/venv

require_swift() {
  if ! have swift; then
    fail "Swift was not found in PATH. Swift 6.3 or later is the one thing to install by hand:" \
      "https://www.swift.org/install/linux/"
  fi
}

# The static standard library starts in 2.6 ms instead of 10 and runs where no Swift is installed.
build_release() {
  require_swift
  heading "building the programs (release; some minutes the first time)"
  (cd "$ROOT" && swift build -c release --static-swift-stdlib --jobs 2)
}

# The virtual environment of requirements.txt, made anew only when that file or the interpreter changed.
build_venv() {
  local requirements=$ROOT/tests/e2e/requirements.txt stamp
  stamp=$(cat "$requirements" <(/usr/bin/python3 --version) | sha256sum)
  if [ "$(cat "$VENV/requirements.sha256" 2>/dev/null)" = "$stamp" ]; then return; fi
  heading "making the Python environment of the tests in $VENV"
  rm -rf "${VENV:?}"
  mkdir -p "$(dirname "$VENV")"
  /usr/bin/python3 -m venv "$VENV"
  "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input --quiet --requirement "$requirements"
  printf '%s\n' "$stamp" >"$VENV/requirements.sha256"
}
