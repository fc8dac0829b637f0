#!/usr/bin/env bash
# simulate.sh [ci]: random schedules of the relay against the simulated world in tests/simulation.
#
# SEED (1) and RUNS (10000) say which; TRACE=1 prints every step when RUNS=1; SABOTAGE=NAME breaks the world on purpose
# and passes when that is noticed, SABOTAGE=all does so for each. `ci` plays 10,000 schedules, then every sabotage.
set -Eeuo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
for part in common build; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$part.sh"
done

SIMULATOR=$ROOT/.build/release/relay-simulator
SEED=${SEED:-1}
RUNS=${RUNS:-10000}
SABOTAGES=(
  ignore-epoch no-share-lock plain-xmax two-in-flight stale-read long-delivery clock-drift lease-from-answer forget-dead
  blind-ack false-certainty early-takeover plain-sequence no-predecessor ignore-history match-id-only believe-any-lease
)

sabotage() { "$SIMULATOR" --seed "$SEED" --runs "$RUNS" --sabotage "$1"; }

all_sabotages() {
  local name
  for name in "${SABOTAGES[@]}"; do sabotage "$name"; done
}

cd "$ROOT"
require_swift
swift build -c release --static-swift-stdlib --product relay-simulator --jobs 2 >&2
if [ "${1:-}" = ci ]; then
  "$SIMULATOR" --seed "$SEED" --runs "$RUNS"
  all_sabotages
elif [ "${SABOTAGE:-}" = all ]; then
  all_sabotages
elif [ -n "${SABOTAGE:-}" ]; then
  sabotage "$SABOTAGE"
else
  OPTIONS=()
  if [ "${TRACE:-0}" = 1 ]; then OPTIONS=(--trace); fi
  "$SIMULATOR" --seed "$SEED" --runs "$RUNS" "${OPTIONS[@]}"
fi
