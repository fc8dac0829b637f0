#!/usr/bin/env bash
# demo.sh: one order through the running stack, step by step, each command shown before it runs. ORDER chooses the order
# (default: one nobody used yet). Ends with an exit code that says whether everything happened.
set -Eeuo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
for part in common process services docker; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$part.sh"
done

ORDER=${ORDER:-$(date +%s)}
EVENTS="SELECT seq, status, reserved_to, created_at, done_at FROM event WHERE key = '$ORDER' ORDER BY seq"

# The same three tools in both kinds of stack.
if [ "$(cat "$STACK_DIR/kind" 2>/dev/null)" = docker ]; then
  paysaga=(docker compose run --rm --no-deps -T paysaga)
  psql=(docker compose exec -T postgres psql -U payments payments)
  topic=(docker compose exec -T kafka /opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server kafka:9092
    --topic payment --from-beginning --timeout-ms 5000 --property print.key=true --property 'key.separator= ')
else
  mapfile -t settings < <(stack_settings)
  export "${settings[@]}"
  paysaga=("${STACK_BIN#"$ROOT"/}/paysaga")
  psql=(psql -X "$DB_DSN")
  say "The commands below find this stack through:"
  stack_settings | sed "s/=/='/; s/.*/  export &'/" >&2
  topic=(kcat -C -b "$KAFKA_BROKERS" -t payment -o beginning -e -q -f '%k %s\n')
fi

# Prints a command as it could be typed, quoted only where it must be.
typed() {
  local word
  printf '\n$' >&2
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]]; then printf ' %s' "$word" >&2; else printf " '%s'" "${word//\'/\'\\\'\'}" >&2; fi
  done
  printf '%s\n' "${SUFFIX:-}" >&2
}

show() {
  typed "$@"
  "$@" || fail "the command above failed with exit code $?"
}

# Runs a check with its output kept aside.
quietly() { "$@" >"$OUTPUT" 2>&1; }

payment_is_open() { quietly "${paysaga[@]}" get --order "$ORDER" || return 1; }

# $1 events of the order, all DONE. Every state seen on the way is printed once.
events_are_done() {
  local states
  states=$("${psql[@]}" -Atc "SELECT string_agg(seq || ' ' || status, ', ' ORDER BY seq) FROM event WHERE key = '$ORDER'" \
    2>"$OUTPUT") || return 1
  if [ -n "$states" ] && [ "$states" != "$LAST_STATES" ]; then
    LAST_STATES=$states
    progress_end
    say "    events: $states"
  fi
  [ "$(grep -o DONE <<<"$states" | wc -l)" -eq "$1" ]
}

# The order's messages on the topic: at least $1, and each shown.
messages_are_there() {
  quietly "${topic[@]}" || true
  [ "$(grep -c "^$ORDER " "$OUTPUT")" -ge "$1" ] || return 1
}

OUTPUT=$(mktemp)
LAST_STATES=
trap 'rm -f "$OUTPUT"' EXIT
cd "$ROOT"

case $ORDER in '' | *[!0-9]*) fail "ORDER is '$ORDER'; it must be a number above 0" ;; esac

heading "1. the inventory service says: the goods of order $ORDER are reserved"
show "${paysaga[@]}" push --order "$ORDER"

heading "2. the consumer opens exactly one payment"
wait_until 30 "waiting for the payment of order $ORDER" "$LOG_DIR/payments-consumer.log" payment_is_open || fail "no payment was opened"
show "${paysaga[@]}" get --order "$ORDER"

heading "3. its event waits in the outbox until the relay has published it: WAIT, then DONE"
wait_until 30 "waiting for the event to be DONE" "$LOG_DIR/payments-server.log" events_are_done 1 || fail "the event was not published"
show "${psql[@]}" -c "$EVENTS"

heading "4. a caller settles the payment over gRPC"
show "${paysaga[@]}" pay --order "$ORDER"
wait_until 30 "waiting for the second event to be DONE" "$LOG_DIR/payments-server.log" events_are_done 2 || fail "the event was not published"
show "${psql[@]}" -c "$EVENTS"

heading "5. the rest of the saga reads what happened, in order"
wait_until 30 "waiting for both messages" "$LOG_DIR/payments-server.log" messages_are_there 2 || fail "the topic does not show both events"
SUFFIX=" | grep ^$ORDER" typed "${topic[@]}"
grep "^$ORDER " "$OUTPUT"

say ""
say "demo: order $ORDER went through"
