# Messages, waiting with progress, and the directories every part of the stack agrees on.
# Sourced by the scripts one level up; never run by itself.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd -P)

# Everything a stack writes lies under STACK_DIR, so a test can have a stack of its own beside the developer's.
STACK_DIR=${STACK_DIR:-$ROOT/.local}
STACK_BIN=${STACK_BIN:-$ROOT/.build/release}
case $STACK_DIR in /*) ;; *) STACK_DIR=$PWD/$STACK_DIR ;; esac
case $STACK_BIN in /*) ;; *) STACK_BIN=$PWD/$STACK_BIN ;; esac
RUN_DIR=$STACK_DIR/run
LOG_DIR=$STACK_DIR/log

# The addresses of design section 3. The names start with STACK_ because the programs read their own settings
# (DB_…, KAFKA_…) from the environment, where a stray name would be taken for one of theirs.
STACK_POSTGRES_PORT=${STACK_POSTGRES_PORT:-54321}
STACK_REDIS_PORT=${STACK_REDIS_PORT:-63790}
STACK_KAFKA_PORT=${STACK_KAFKA_PORT:-9095}
STACK_KAFKA_CONTROL_PORT=${STACK_KAFKA_CONTROL_PORT:-} # devkafka's error injection: off unless a port is named
STACK_GRPC_PORT=${STACK_GRPC_PORT:-8081}
STACK_SERVER_ADMIN_PORT=${STACK_SERVER_ADMIN_PORT:-9101}
STACK_CONSUMER_ADMIN_PORT=${STACK_CONSUMER_ADMIN_PORT:-9102}
STACK_CRON_ADMIN_PORT=${STACK_CRON_ADMIN_PORT:-9103}

# Messages go to stderr: stdout belongs to what a caller may want to evaluate.
say() { printf '%s\n' "$*" >&2; }
heading() { printf '==> %s\n' "$*" >&2; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" -eq 0 ]; }

make_stack_dirs() { mkdir -p "$RUN_DIR" "$LOG_DIR"; }

# One line that is rewritten on a terminal, and a line every ten seconds elsewhere (a CI log).
progress() {
  local what=$1 elapsed=$2
  if [ -t 2 ]; then
    printf '\r    %s … %ss ' "$what" "$elapsed" >&2
  elif [ "$elapsed" -gt 0 ] && [ $((elapsed % 10)) -eq 0 ]; then
    say "    $what … ${elapsed}s"
  fi
}

progress_end() {
  if [ -t 2 ]; then printf '\r\033[K' >&2; fi
}

last_lines() {
  local log=$1
  if [ -s "$log" ]; then
    say "    the last lines of $log:"
    tail -n 20 "$log" | sed 's/^/    | /' >&2
  else
    say "    $log is empty"
  fi
}

# wait_until SECONDS WHAT LOG COMMAND… polls COMMAND five times a second. A COMMAND that returns 2 says that waiting
# is pointless (the process has died).
wait_until() {
  local limit=$1 what=$2 log=$3 began=$SECONDS shown=-1 elapsed status
  shift 3
  while true; do
    status=0
    "$@" || status=$?
    elapsed=$((SECONDS - began))
    if [ "$status" -eq 0 ]; then
      progress_end
      return 0
    fi
    if [ "$status" -eq 2 ]; then
      progress_end
      say "error: $what: the process ended"
      last_lines "$log"
      return 1
    fi
    if [ "$elapsed" -ge "$limit" ]; then
      progress_end
      say "error: $what: not there after $elapsed s"
      last_lines "$log"
      return 1
    fi
    if [ "$elapsed" -ne "$shown" ]; then
      progress "$what" "$elapsed"
      shown=$elapsed
    fi
    sleep 0.2
  done
}
