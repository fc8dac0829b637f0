#!/usr/bin/env bash
# model.sh: checks docs/model/relay.pml exhaustively, then breaks the protocol on purpose and expects the check to fail.
# Ends with an error when anything comes out otherwise than expected.
set -Eeuo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=/dev/null
. "$HERE/lib/common.sh"

MODEL=$ROOT/docs/model/relay.pml
MEMORY=2000 # MB
LIMIT=120   # seconds for one check; alone on the machine the longest takes about 20
WORK=
FAILED=()

# check NAME safety|liveness PROPERTY DEFINE…: PROPERTY is what must break, or `holds`.
check() {
  local name=$1 kind=$2 expected=$3 dir log status=0 found states began=$SECONDS
  local compile=(-w -DCOLLAPSE "-DMEMLIM=$MEMORY") run=(-n -m1000000)
  shift 3
  # What breaks is found sooner than a compiler is done optimizing.
  if [ "$expected" = holds ]; then compile+=(-O2); else compile+=(-O0); fi
  dir=$WORK/$name log=$WORK/$name/pan.log
  if [ "$kind" = safety ]; then
    compile+=(-DSAFETY -DNOFAIR -DNOCLAIM)
  else
    compile+=(-DNFAIR=3)
    run+=(-a -f)
  fi
  mkdir "$dir"
  (cd "$dir" && spin -a "$@" "$MODEL" >spin.log 2>&1 && gcc "${compile[@]}" -o pan pan.c 2>>spin.log) || {
    last_lines "$dir/spin.log"
    fail "the model does not compile"
  }
  (cd "$dir" && timeout "$LIMIT" ./pan "${run[@]}" >"$log" 2>&1) || status=$?
  states=$(awk '/states, stored/ { print $1 }' "$log")
  found=$(sed -nE 's/^pan:1: assertion violated \(?([a-z_]+).*/\1/p; s/^pan:1: acceptance cycle.*/everything_is_done/p' "$log")
  if [ -z "$found" ]; then
    if grep -q 'errors: 0$' "$log"; then found=holds; else found=other; fi
  fi
  # A check that was cut short has shown nothing.
  if [ "$status" -ne 0 ] || grep -Eq 'too small|out of memory|reached -DMEMLIM' "$log" || ! grep -q 'errors:' "$log"; then
    found=unfinished
  fi
  printf '    %-22s %-9s %-28s %9s states %4s s\n' "$name" "$kind" "$found" "${states:-?}" $((SECONDS - began))
  if [ "$found" != "$expected" ]; then
    say "error: $name: expected $expected"
    FAILED+=("$name")
  fi
}

if ! have spin || ! have gcc; then fail "spin and gcc are needed: apt-get install spin gcc"; fi
WORK=$(mktemp -d)
trap 'rm -rf "${WORK:?}"' EXIT
heading "the protocol as it is: everything must hold"
check clean safety holds -DFAULTS=2
check long-pauses safety holds -DFAULTS=1 -DLONG_PAUSES
check clean-live liveness holds -DFAULTS=1
check ahead safety holds -DFAULTS=2 -DAHEAD
check failover safety holds -DFAULTS=2 -DFAILOVER
check failover-live liveness holds -DFAULTS=1 -DFAILOVER
check late safety holds -DFAULTS=1 -DLATE -DZOMBIES_ALLOWED
heading "a known limit: only the named property must break"
check late-zombie safety published_by_no_zombie -DFAULTS=2 -DLATE
heading "broken on purpose: the named property must break"
check no-epoch-check safety done_only_by_the_owner -DFAULTS=2 -DNO_EPOCH_CHECK
check outlast safety published_by_no_zombie -DFAULTS=2 -DOUTLAST
check early-release safety published_by_no_zombie -DFAULTS=2 -DEARLY_RELEASE
check count-from-answer safety published_by_no_zombie -DFAULTS=2 -DCOUNT_FROM_ANSWER
check complete-early safety done_only_when_on_the_topic -DFAULTS=1 -DCOMPLETE_EARLY
check two-in-flight safety first_appearances_in_order -DFAULTS=1 -DTWO_IN_FLIGHT
check stale-read safety queue_in_id_order -DFAULTS=2 -DSTALE_READ
check takeover-keeps-floor safety first_appearances_in_order -DFAULTS=2 -DTAKEOVER_KEEPS_FLOOR
check completion-forgotten liveness everything_is_done -DFAULTS=1 -DCOMPLETION_FORGOTTEN
check plain-sequence safety first_appearances_in_order -DFAULTS=2 -DAHEAD -DNO_PREDECESSOR
check match-id-only safety done_only_when_on_the_topic -DFAULTS=2 -DFAILOVER -DIGNORE_HISTORY -DMATCH_ID_ONLY
check ignore-history liveness everything_is_done -DFAULTS=1 -DFAILOVER -DIGNORE_HISTORY
if [ ${#FAILED[@]} -gt 0 ]; then fail "the model: not as expected: ${FAILED[*]}"; fi
say "model: everything as expected in $SECONDS s"
