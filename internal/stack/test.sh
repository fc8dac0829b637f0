#!/usr/bin/env bash
# test.sh STEP…: the tests, one step after the other, each under a time limit, against a stack of their own on free
# ports. `all` is what `make test` and CI run. Ends with one line that says what passed or where it failed.
set -Eeuo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
for part in common build; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$part.sh"
done

# A crash with backtraces on can hang for minutes.
export SWIFT_BACKTRACE=enable=no
# A crashing test must not fill the disk with a core file.
ulimit -c 0
# Two compilers at once: more run out of memory on small machines.
JOBS=(--jobs 2)
TSAN_BUILD=$ROOT/.build/tsan
ASAN_BUILD=$ROOT/.build/asan
INTEGRATION='^IntegrationTests\.'
# Few tests at a time: with all at once, those that measure time would wait for hundreds of others.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=6
# Unit tests with librdkafka.
BROKERS='^(Kafka|Inbox|OutboxKafka)Tests\.'

TEST_DIR=$ROOT/.local/test
TEST_LOGS=$ROOT/.local/test-log
ALL_BEGAN=$SECONDS
CURRENT=preparation
DONE=()
CHILD=
# The sanitizers' builds that run ahead; whether they do.
AHEAD=
RUNS_AHEAD=false
BACKING=/dev/null

# step NAME MINUTES COMMAND…: COMMAND with its output shown and kept in NAME.log.
# The output goes to a file that is followed, not through a pipe: a server a test left behind would keep a pipe open.
step() {
  local name=$1 minutes=$2 log=$TEST_LOGS/$1.log began=$SECONDS follower status=0
  shift 2
  CURRENT=$name
  heading "$name: $*"
  : >"$log"
  (cd "$ROOT" && exec timeout --kill-after=20 "${minutes}m" "$@") </dev/null >"$log" 2>&1 9>&- &
  CHILD=$!
  tail --lines=+1 --sleep-interval=0.3 --pid=$CHILD --follow "$log" 2>/dev/null &
  follower=$!
  wait "$CHILD" || status=$?
  CHILD=
  wait "$follower" || true
  if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then say "    ended by its limit of $minutes minutes"; fi
  if [ "$status" -ne 0 ]; then
    say "error: step $name failed with exit code $status after $((SECONDS - began)) s. Its closing lines ($log):"
    tail -n 40 "$log" | sed 's/^/    | /' >&2
    exit 1
  fi
  DONE+=("$name $((SECONDS - began))s")
}

finish() {
  local status=$?
  trap - EXIT INT TERM
  if [ -n "$CHILD" ]; then
    kill -TERM "$CHILD" 2>/dev/null || true
    wait "$CHILD" 2>/dev/null || true
  fi
  end_builds_ahead
  if [ -d "$TEST_DIR" ]; then backing_remove || true; fi
  if [ "$status" -eq 0 ]; then
    say "tests: all steps passed in $((SECONDS - ALL_BEGAN)) s (${DONE[*]})"
  else
    say "tests: FAILED at step $CURRENT (exit code $status) after $((SECONDS - ALL_BEGAN)) s; passed before: ${DONE[*]:-none}"
  fi
  exit "$status"
}

backing_remove() {
  STACK=local STACK_DIR=$TEST_DIR bash "$HERE/stack.sh" down 2>/dev/null
  STACK=local STACK_DIR=$TEST_DIR bash "$HERE/stack.sh" reset 2>/dev/null
  rm -rf "${TEST_DIR:?}"
}

# A stack of the integration tests' own, anew for each run; `devkafka` comes from the debug build.
backing_start() {
  if [ -n "${TEST_DB_DSN:-}" ]; then return; fi
  CURRENT=backing
  if [ -d "$TEST_DIR" ]; then backing_remove; fi
  STACK_DIR=$TEST_DIR STACK_BIN=$ROOT/.build/debug bash "$HERE/stack.sh" backing-up --free-ports >"$TEST_LOGS/backing.env"
  BACKING=$TEST_LOGS/backing.env
  DONE+=(backing)
}

# A filter that matches nothing must not count as passed.
require_tests_ran() {
  if ! grep -Eq 'Test run with [1-9][0-9]* tests?' "$TEST_LOGS/$1.log"; then
    say "error: step $1 ran no test"
    exit 1
  fi
}

prepare() {
  CURRENT=packages
  bash "$HERE/stack.sh" deps "$@"
  CURRENT=swift
  require_swift
}

python_environment() {
  step venv 10 bash "$HERE/stack.sh" venv
  export PROTOBUF_PYTHON=$VENV/bin/python
}

debug_build() {
  case " ${DONE[*]} " in *' build '*) return ;; esac
  step build 25 swift build --build-tests "${JOBS[@]}"
}

model() { step model 8 bash "$HERE/model.sh"; }

stack() { step stack 2 "$VENV/bin/python" -B -m pytest -p no:cacheprovider tests/stack; }

unit() {
  debug_build
  # By themselves: librdkafka's tests block Swift's threads for seconds, and tests of time beside them would starve.
  step unit-brokers 6 swift test --skip-build --filter "$BROKERS"
  require_tests_ran unit-brokers
  step unit 8 swift test --skip-build --skip "$INTEGRATION" --skip "$BROKERS"
  require_tests_ran unit
}

integration() {
  debug_build
  if "$RUNS_AHEAD"; then begin_builds_ahead; fi
  backing_start
  # One after the other: many of these tests measure how soon something happens, and each waits on servers.
  # shellcheck disable=SC2016 # $0 and $@ are for that shell
  step integration 12 bash -c '. "$0" && exec "$@"' "$BACKING" \
    swift test --skip-build --no-parallel --filter "$INTEGRATION"
  require_tests_ran integration
}

# Three processes with a file of tests each, since these tests wait more than they work. Each process starts servers of
# its own: what one test holds in PostgreSQL, such as an old snapshot, would slow down the others' programs.
e2e() {
  debug_build
  export PAYSAGA_BIN=${PAYSAGA_BIN:-$ROOT/.build/debug}
  step e2e 30 "$VENV/bin/python" -m pytest -p no:cacheprovider --timeout=300 --numprocesses=3 --dist=loadfile tests/e2e
}

# By themselves: each freezes or fills servers, and is timed.
drills() {
  end_builds_ahead
  debug_build
  export PAYSAGA_BIN=${PAYSAGA_BIN:-$ROOT/.build/debug}
  step drills 8 "$VENV/bin/python" -m pytest -p no:cacheprovider tests/drills
}

release() { step release 20 swift build -c release --static-swift-stdlib "${JOBS[@]}"; }

# Of the release build.
package() { step package 5 "$VENV/bin/python" -B -m pytest -p no:cacheprovider tests/package; }

# The release build has made the simulators already.
simulate() { step simulate 8 bash "$HERE/simulate.sh" ci; }

# What stands behind a contended Synchronization.Mutex is told to the thread sanitizer: tests/mutex-tsan.c.
MUTEX_HANDLE="\$s15Synchronization12_MutexHandleV"
TSAN=(--sanitize=thread --scratch-path "$TSAN_BUILD" -Xlinker "$TSAN_BUILD/mutex-tsan.o"
  -Xlinker "--wrap=${MUTEX_HANDLE}9_lockSlowyys6UInt32VF" -Xlinker "--wrap=${MUTEX_HANDLE}11_unlockSlowyyF")
ASAN=(--sanitize=address --scratch-path "$ASAN_BUILD")

mutex_for_tsan() {
  mkdir -p "$TSAN_BUILD"
  clang -c -O1 -o "$TSAN_BUILD/mutex-tsan.o" "$ROOT/tests/mutex-tsan.c"
}

# The sanitizers' builds take half an hour of CPU, and integration and end-to-end tests leave much of it unused: the
# builds get only that. What they have not done until then, their own steps do.
begin_builds_ahead() {
  local log=$TEST_LOGS/builds-ahead.log
  heading "builds ahead: those of the sanitizers, with what CPU is left over ($log)"
  mutex_for_tsan
  (
    cd "$ROOT" || exit 1
    # shellcheck disable=SC2016 # $0 and $@ are for that shell
    exec timeout --kill-after=20 50m chrt --idle 0 bash -c '
      count=$0
      swift build --build-tests "${@:1:count}" && swift build --build-tests "${@:count+1}"' \
      $((${#TSAN[@]} + ${#JOBS[@]})) "${TSAN[@]}" "${JOBS[@]}" "${ASAN[@]}" "${JOBS[@]}"
  ) </dev/null >"$log" 2>&1 9>&- &
  AHEAD=$!
}

end_builds_ahead() {
  if [ -z "$AHEAD" ]; then return; fi
  # `timeout` passes the signal on to all that it has started.
  kill -TERM "$AHEAD" 2>/dev/null || true
  wait "$AHEAD" || true
  AHEAD=
}

tsan() {
  mutex_for_tsan
  step tsan-build 20 swift build --build-tests "${TSAN[@]}" "${JOBS[@]}"
  export TSAN_OPTIONS="exitcode=0:suppressions=$ROOT/tests/tsan.supp"
  # Not the tests with librdkafka: its threads are C11's, which the sanitizer does not know, and it dies of our
  # callbacks.
  step tsan 15 swift test --skip-build "${TSAN[@]}" --skip "$INTEGRATION" --skip "$BROKERS"
  refuse_races tsan
  require_tests_ran tsan
  sanitized_integration tsan "${TSAN[@]}"
  unset TSAN_OPTIONS
}

asan() {
  step asan-build 20 swift build --build-tests "${ASAN[@]}" "${JOBS[@]}"
  export ASAN_OPTIONS="suppressions=$ROOT/tests/asan.supp"
  export LSAN_OPTIONS="suppressions=$ROOT/tests/lsan.supp:print_suppressions=0"
  step asan 15 swift test --skip-build "${ASAN[@]}" --skip "$INTEGRATION"
  require_tests_ran asan
  sanitized_integration asan "${ASAN[@]}"
  unset ASAN_OPTIONS LSAN_OPTIONS
}

refuse_races() {
  if grep -q 'WARNING: ThreadSanitizer:' "$TEST_LOGS/$1.log"; then
    say "error: the thread sanitizer found a data race:"
    grep -A 25 'WARNING: ThreadSanitizer:' "$TEST_LOGS/$1.log" | cut -c 1-300 | sed 's/^/    | /' >&2
    exit 1
  fi
}

# sanitized_integration SANITIZER OPTION…: the integration tests under it, which take too long for every run.
sanitized_integration() {
  local name=$1-integration
  shift
  if [ "${SANITIZE_INTEGRATION:-}" != 1 ]; then return; fi
  debug_build
  backing_start
  # shellcheck disable=SC2016 # $0 and $@ are for that shell
  step "$name" 60 bash -c '. "$0" && exec "$@"' "$BACKING" \
    swift test --skip-build "$@" --no-parallel --filter "$INTEGRATION"
  refuse_races "$name"
  require_tests_ran "$name"
}

main() {
  local what
  if [ $# -eq 0 ]; then set -- all; fi
  if [ "$*" = all ]; then
    RUNS_AHEAD=true
    set -- stack model unit integration e2e drills release package simulate tsan asan
  fi
  for what in "$@"; do
    case $what in
    stack | model | unit | integration | e2e | drills | release | package | simulate | tsan | asan) ;;
    *) fail "unknown step $what: stack, model, unit, integration, e2e, drills, release, package, simulate, tsan, asan or all" ;;
    esac
  done
  mkdir -p "$TEST_LOGS"
  # Two runs in one checkout would stop each other's servers.
  exec 9>"$ROOT/.local/test.lock"
  flock -n 9 || fail "another test run is at work in this checkout"
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  prepare build run test
  python_environment
  for what in "$@"; do "$what"; done
}

main "$@"
