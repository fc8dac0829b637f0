# The stack without Docker: up, down, status.
# Sourced; see common.sh.

local_up() {
  packages_ensure build run
  if [ "${STACK_BUILD:-1}" = 1 ]; then build_release; fi
  postgres_start
  redis_start
  devkafka_start
  migrate up
  services_start
  local_addresses
}

local_down() {
  services_stop
  devkafka_stop
  redis_stop
  postgres_stop
  say "    everything of ours is stopped; the data in $STACK_DIR/postgres are kept ('make reset' removes them)"
}

local_addresses() {
  cat >&2 <<TEXT

Paysaga is up.
  gRPC         127.0.0.1:$STACK_GRPC_PORT (clear, h2c)
  PostgreSQL   postgres://payments:payments@127.0.0.1:$STACK_POSTGRES_PORT/payments?sslmode=disable
  Redis        redis://127.0.0.1:$STACK_REDIS_PORT/0
  Kafka        127.0.0.1:$STACK_KAFKA_PORT (devkafka: in memory, gone with 'make down')
  admin        http://127.0.0.1:$STACK_SERVER_ADMIN_PORT  :$STACK_CONSUMER_ADMIN_PORT  :$STACK_CRON_ADMIN_PORT  (/healthz /readyz /metrics)
  logs         ${LOG_DIR#"$ROOT"/}/

Try next:
  make demo
  echo '111:{"idempotent_key":"d978c560-fdba-4e84-b3f1-b570d8d95e4c","order_id":111,"status":"COMPLETED"}' | kcat -P -b 127.0.0.1:$STACK_KAFKA_PORT -t inventory -K :
  kcat -C -b 127.0.0.1:$STACK_KAFKA_PORT -t payment -o beginning -e -q -f '%k %s\n'

'make status' shows what runs, 'make logs' follows the logs, 'make down' stops it.
TEXT
}

status_line() {
  local name=$1 state=stopped ready='-' pid
  if pid=$(process_pid "$name"); then
    state="pid $pid"
    ready=no
    if "${@:2}" >/dev/null 2>&1; then ready=yes; fi
  fi
  printf '%-18s %-12s %-20s ready: %s\n' "$name" "$state" "$(process_address "$name")" "$ready"
}

local_status() {
  local name
  status_line postgres postgres_answers
  status_line redis redis_answers
  status_line devkafka devkafka_listens
  for name in payments-server payments-consumer payments-cron; do
    status_line "$name" service_is_ready "$name"
  done
}

# Removes what the stack has stored. The build and the Python environment stay.
local_reset() {
  local name
  for name in postgres redis devkafka payments-server payments-consumer payments-cron; do
    if process_is_running "$name"; then fail "$name is running: 'make down' first"; fi
  done
  postgres_remove
  rm -rf "${LOG_DIR:?}" "${RUN_DIR:?}"
  rmdir "$STACK_DIR" 2>/dev/null || true
  say "    the data of $STACK_DIR are removed"
}

# PostgreSQL, Redis and devkafka alone, for tests: starts them and prints their addresses as shell assignments.
backing_up() {
  if [ "${1:-}" = --free-ports ]; then
    STACK_POSTGRES_PORT=$(port_pick_free)
    STACK_REDIS_PORT=$(port_pick_free)
    STACK_KAFKA_PORT=$(port_pick_free)
    STACK_KAFKA_CONTROL_PORT=$(port_pick_free)
  fi
  postgres_start
  redis_start
  devkafka_start
  printf "export %s='%s'\n" \
    STACK_DIR "$STACK_DIR" STACK_BIN "$STACK_BIN" \
    STACK_POSTGRES_PORT "$STACK_POSTGRES_PORT" STACK_REDIS_PORT "$STACK_REDIS_PORT" \
    STACK_KAFKA_PORT "$STACK_KAFKA_PORT" STACK_KAFKA_CONTROL_PORT "$STACK_KAFKA_CONTROL_PORT" \
    TEST_DB_DSN "postgres://payments:payments@127.0.0.1:$STACK_POSTGRES_PORT/payments?sslmode=disable" \
    TEST_REDIS_DSN "redis://127.0.0.1:$STACK_REDIS_PORT/0" \
    TEST_KAFKA_BROKERS "127.0.0.1:$STACK_KAFKA_PORT" \
    TEST_KAFKA_CONTROL "${STACK_KAFKA_CONTROL_PORT:+127.0.0.1:$STACK_KAFKA_CONTROL_PORT}"
}
