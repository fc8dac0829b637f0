#!/usr/bin/env bash
# lint.sh: everything that can be checked without building. Runs all checks before it fails.
set -Eeuo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=/dev/null
. "$HERE/lib/common.sh"
# shellcheck source=/dev/null
. "$HERE/lib/build.sh"

FAILED=()

check() {
  local what=$1
  shift
  heading "$what"
  if ! "$@"; then FAILED+=("$what"); fi
}

swift_files() {
  local folders=(cmd internal tests)
  if [ -d bench ]; then folders+=(bench); fi
  swift format lint --strict --recursive --parallel Package.swift "${folders[@]}"
}

shell_scripts() { git ls-files --cached --others --exclude-standard '*.sh' '.ci/run' 'bench/run'; }

shell_syntax() {
  local file status=0
  while read -r file; do bash -n "$file" || status=1; done < <(shell_scripts)
  return $status
}

shell_lint() {
  shell_scripts | xargs shellcheck --shell=bash --exclude=SC1091
}

python_files() { git ls-files --cached --others --exclude-standard '*.py'; }

python_lint() { python_files | xargs pyflakes3; }

python_syntax() {
  local files cache status=0
  mapfile -t files < <(python_files)
  if [ ${#files[@]} -eq 0 ]; then return; fi
  cache=$(mktemp -d)
  PYTHONPYCACHEPREFIX=$cache /usr/bin/python3 -m py_compile "${files[@]}" || status=1
  rm -rf "${cache:?}"
  return $status
}

# With words in the place of the passwords that `make up` makes.
compose_file() {
  docker compose --file docker-compose.yml \
    --env-file <(sed -n 's/.*${\([A-Z_]*\):?.*/\1=word/p' docker-compose.yml | sort -u) config --quiet
}

cd "$ROOT"
require_swift
check "swift format" swift_files
check "shell syntax" shell_syntax
if have shellcheck; then check "shellcheck" shell_lint; else say "    shellcheck is not installed: skipped"; fi
# /usr/bin/python3 is there: the CI installs the packages of the tests first, and make's other targets need it too.
check "rules" /usr/bin/python3 -EsB "$HERE/check_rules.py"
check "python syntax" python_syntax
if have pyflakes3; then check "pyflakes" python_lint; else say "    pyflakes3 is not installed: skipped"; fi
if have docker && docker compose version >/dev/null 2>&1; then check "docker-compose.yml" compose_file; fi

if [ ${#FAILED[@]} -gt 0 ]; then
  fail "lint failed: ${FAILED[*]}"
fi
say "lint: all checks passed"
