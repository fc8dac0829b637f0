#!/usr/bin/env bash
# simulate.sh [ci]: random schedules of the relay, of the group commit and of direct payments, in the simulated worlds
# of tests/simulation.
#
# CORE (relay, group-commit, payment; all by default) says of what. SEED (1) and RUNS (10000) say which; TRACE=1 prints
# every step when RUNS=1; SABOTAGE=NAME breaks the world on purpose and passes when that is noticed, SABOTAGE=all does
# so for each. `ci` plays 10,000 schedules of each core, then every sabotage.
set -Eeuo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
for part in common build; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$part.sh"
done

SEED=${SEED:-1}
RUNS=${RUNS:-10000}
CORES=(relay group-commit payment)
if [ -n "${CORE:-}" ]; then CORES=("$CORE"); fi

# The sabotages of a core.
sabotages() {
  case $1 in
  relay)
    echo ignore-epoch no-share-lock plain-xmax two-in-flight stale-read long-delivery clock-drift lease-from-answer \
      forget-dead blind-ack false-certainty early-takeover plain-sequence no-predecessor ignore-history match-id-only \
      believe-any-lease never-split
    ;;
  group-commit)
    echo certain-loss swapped-outcomes deaf-watch first-attempt one-subject blame-every-call late-clock run-answered \
      lost-drain greedy patient-parts full-is-closed
    ;;
  payment)
    echo resend-unclear unclear-declined trust-absence early-statement trust-reversal ignore-claim resume-asked \
      claim-again stale-read no-takeover forget-unknown forget-waiting lose-voids lose-events assume-commit \
      refund-again refund-beyond reuse-refund-id forget-refunds trust-approval
    ;;
  *) fail "unknown core $1: relay, group-commit or payment" ;;
  esac
}

play() { "$ROOT/.build/release/$1-simulator" --seed "$SEED" --runs "$RUNS" "${@:2}"; }

all_sabotages() {
  local name
  for name in $(sabotages "$1"); do play "$1" --sabotage "$name"; done
}

# The cores that have the sabotage.
one_sabotage() {
  local core is_known=
  for core in "${CORES[@]}"; do
    case " $(sabotages "$core") " in *" $1 "*) ;; *) continue ;; esac
    is_known=1
    play "$core" --sabotage "$1"
  done
  if [ -z "$is_known" ]; then fail "unknown sabotage $1"; fi
}

cd "$ROOT"
require_swift
for core in "${CORES[@]}"; do
  sabotages "$core" >/dev/null
  swift build -c release --static-swift-stdlib --product "$core-simulator" --jobs 2 >&2
done
if [ -n "${SABOTAGE:-}" ] && [ "$SABOTAGE" != all ]; then
  one_sabotage "$SABOTAGE"
  exit
fi
for core in "${CORES[@]}"; do
  if [ "${1:-}" = ci ]; then
    play "$core"
    all_sabotages "$core"
  elif [ "${SABOTAGE:-}" = all ]; then
    all_sabotages "$core"
  elif [ "${TRACE:-0}" = 1 ]; then
    play "$core" --trace
  else
    play "$core"
  fi
done
