#!/usr/bin/env bash
# model.sh: checks the models of docs/model exhaustively, then breaks each protocol on purpose and expects the check to
# fail. Ends with an error when anything comes out otherwise than expected.
set -Eeuo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=/dev/null
. "$HERE/lib/common.sh"

MODEL=    # the one that is checked
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
MODEL=$ROOT/docs/model/relay.pml
heading "the relay's lease protocol as it is: everything must hold"
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
MODEL=$ROOT/docs/model/payment.pml
heading "asking the bank, as it is: everything must hold"
check account safety holds -DFAULTS=3
check account-live liveness holds -DFAULTS=2
check card safety holds -DFAULTS=3 -DCARD
check card-live liveness holds -DFAULTS=2 -DCARD
heading "broken on purpose: the named property must break"
check call-before-row safety row_before_call -DFAULTS=1 -DCALL_BEFORE_ROW
check not-sent-undated safety row_before_call -DFAULTS=2 -DNOT_SENT_UNDATED
check no-compare safety asked_once -DFAULTS=1 -DNO_COMPARE
check resume-asked safety asked_once -DFAULTS=1 -DRESUME_ASKED
check let-go-early safety asked_once -DFAULTS=2 -DLET_GO_EARLY
check resend-unclear safety asked_once -DFAULTS=1 -DRESEND_UNCLEAR
check charge-anew safety asked_once -DFAULTS=1 -DCHARGE_ANEW
check card-for-anybody safety card_in_memory -DFAULTS=1 -DCARD -DCARD_FOR_ANYBODY
check absence-is-error safety reversed_before_error -DFAULTS=1 -DABSENCE_IS_ERROR
check trust-reversal safety reversed_before_error -DFAULTS=2 -DTRUST_REVERSAL
check unclear-is-declined safety uncharged_is_uncharged -DFAULTS=1 -DUNCLEAR_IS_DECLINED
check cancel-always safety uncharged_is_uncharged -DFAULTS=1 -DCANCEL_ALWAYS
check approved-ends safety completed_is_charged -DFAULTS=1 -DAPPROVED_ENDS_REVERSING
check late-answer-counts safety final_stays -DFAULTS=1 -DLATE_ANSWER_COUNTS
check payment-no-epoch safety claims_have_owners -DFAULTS=1 -DNO_EPOCH_CHECK
check no-takeover liveness everything_is_done -DFAULTS=1 -DNO_TAKEOVER
check forget-doubt liveness everything_is_done -DFAULTS=1 -DFORGET_DOUBT
if [ ${#FAILED[@]} -gt 0 ]; then fail "the models: not as expected: ${FAILED[*]}"; fi
say "models: everything as expected in $SECONDS s"
