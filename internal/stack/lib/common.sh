# Messages and the tools that the bash scripts of this folder share.
# Sourced by the scripts one level up; never run by itself.

# shellcheck disable=SC2034 # read by the scripts that source this
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd -P)

# Messages go to stderr: stdout belongs to what a caller may want to evaluate.
say() { printf '%s\n' "$*" >&2; }
heading() { printf '==> %s\n' "$*" >&2; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

last_lines() {
  local log=$1
  if [ -s "$log" ]; then
    say "    the last lines of $log:"
    tail -n 20 "$log" | sed 's/^/    | /' >&2
  else
    say "    $log is empty"
  fi
}
