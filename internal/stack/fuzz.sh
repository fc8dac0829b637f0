#!/usr/bin/env bash
# fuzz.sh: libFuzzer with the address sanitizer on what strangers can send, one target after the other.
#
# TARGET="json http2" chooses among the folders of tests/fuzz/corpus; all without it. FUZZ_SECONDS (60) is the time for
# each. INPUT=FILE plays one input instead. New inputs are collected in .local/fuzz/TARGET/corpus; a find lies beside
# them and ends the run. The committed inputs are made by tests/fuzz/seeds.py, or were found.
set -Eeuo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
LIMIT=${FUZZ_SECONDS:-60}
for part in common build; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$part.sh"
done

export PAYSAGA_FUZZ=1
export SWIFT_BACKTRACE=enable=no
# What the programs keep until their end is no leak of an input, and Swift's metadata is kept for ever.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
ulimit -c 0

BUILD=$ROOT/.build/fuzz
DRIVER=$BUILD/release/fuzz-driver
WORK=$ROOT/.local/fuzz
ALL=$(cd "$ROOT/tests/fuzz/corpus" && echo *)
TARGETS=${TARGET:-$ALL}

build_fuzzer() {
  require_swift
  heading "building the fuzzer (some minutes the first time)"
  # gold, the toolchain's default, cannot link the sanitizers' symbols.
  (cd "$ROOT" && swift build -c release --product fuzz-driver --scratch-path "$BUILD" --jobs 2 \
    -Xswiftc -sanitize=fuzzer,address -Xswiftc -use-ld=lld -Xswiftc -g >&2)
}

# fuzz NAME: one target for its time.
fuzz() {
  local name=$1 work=$WORK/$1 dictionary=$ROOT/tests/fuzz/dictionaries/$1.dict options status=0
  mkdir -p "$work/corpus"
  options=(-max_total_time="$LIMIT" -timeout=10 -max_len=4096 -artifact_prefix="$work/" -print_final_stats=1)
  if [ -f "$dictionary" ]; then options+=(-dict="$dictionary"); fi
  heading "$name for $LIMIT s"
  FUZZ_TARGET=$name "$DRIVER" "${options[@]}" "$work/corpus" "$ROOT/tests/fuzz/corpus/$name" >"$work/log" 2>&1 || status=$?
  grep -E '^stat::(number_of_executed_units|average_exec_per_sec|new_units_added)|^Done ' "$work/log" >&2 || true
  if [ "$status" -ne 0 ]; then
    grep -vE '^#[0-9]+\s' "$work/log" | tail -n 40 >&2
    local input
    input=$(sed -n 's/.*Test unit written to //p' "$work/log" | tail -n 1)
    fail "the target $name has a find: ${input:-see $work/log}" \
      "play it again: make fuzz TARGET=$name INPUT=${input:-FILE}"
  fi
}

case $TARGETS in
*[!a-z0-9\ ]*) fail "TARGET must be names with spaces between" ;;
esac
for name in $TARGETS; do
  if [ ! -d "$ROOT/tests/fuzz/corpus/$name" ]; then fail "there is no target $name, only: $ALL"; fi
done
build_fuzzer
if [ -n "${INPUT:-}" ]; then
  for name in $TARGETS; do FUZZ_TARGET=$name "$DRIVER" -timeout=10 "$INPUT"; done
else
  for name in $TARGETS; do fuzz "$name"; done
fi
