# The programs of this repository, with the stack's addresses as their settings.
# Sourced; see common.sh.

# Which programs `up` starts. The server relays too; payments-cron beside it shows two relays sharing the shards.
STACK_SERVICES=${STACK_SERVICES:-payments-server payments-consumer payments-cron}
STACK_CONFIG=${STACK_CONFIG:-$ROOT/config/local.env}

service_admin_port() {
  case $1 in
  payments-server) printf '%s' "$STACK_SERVER_ADMIN_PORT" ;;
  payments-consumer) printf '%s' "$STACK_CONSUMER_ADMIN_PORT" ;;
  payments-cron) printf '%s' "$STACK_CRON_ADMIN_PORT" ;;
  *) fail "unknown service $1: one of payments-server, payments-consumer, payments-cron" ;;
  esac
}

# The settings that say where this stack listens, for the programs and the command line.
stack_settings() {
  printf '%s\n' \
    "DB_DSN=postgres://payments:payments@127.0.0.1:$STACK_POSTGRES_PORT/payments?sslmode=disable" \
    "REDIS_DSN=redis://127.0.0.1:$STACK_REDIS_PORT/0" \
    "KAFKA_BROKERS=127.0.0.1:$STACK_KAFKA_PORT" \
    "SERVER_GRPC_ADDR=127.0.0.1:$STACK_GRPC_PORT"
}

# Runs COMMAND with those settings over whatever the environment holds.
with_settings() {
  local settings
  mapfile -t settings < <(stack_settings)
  env "${settings[@]}" "$@"
}

service_is_ready() {
  if ! process_is_running "$1"; then return 2; fi
  "$ROOT/internal/stack/http-ready.sh" "127.0.0.1:$(service_admin_port "$1")"
}

service_start() {
  local name=$1 pid port settings
  port=$(service_admin_port "$name")
  if pid=$(process_pid "$name"); then
    say "    $name: already running (pid $pid, admin $(process_address "$name"))"
    if [[ $(readlink "/proc/$pid/exe" 2>/dev/null) == *'(deleted)' ]]; then
      say "    $name runs an older build: 'make restart' starts the new one"
    fi
    return
  fi
  if [ ! -x "$STACK_BIN/$name" ]; then fail "$STACK_BIN/$name is not built: run 'make build'"; fi
  port_require_free "$port" "$name's admin endpoint" "the STACK_…_ADMIN_PORT of $name"
  if [ "$name" = payments-server ]; then port_require_free "$STACK_GRPC_PORT" "the gRPC API" STACK_GRPC_PORT; fi
  heading "$name: starting (admin on 127.0.0.1:$port)"
  mapfile -t settings < <(stack_settings)
  process_launch "$name" "127.0.0.1:$port" env "${settings[@]}" "ADMIN_ADDR=127.0.0.1:$port" \
    "$STACK_BIN/$name" --config "$STACK_CONFIG"
}

services_start() {
  local name
  for name in $STACK_SERVICES; do service_start "$name"; done
  for name in $STACK_SERVICES; do
    wait_until 60 "$name is getting ready" "$LOG_DIR/$name.log" service_is_ready "$name" ||
      fail "$name did not become ready; its state: http://127.0.0.1:$(service_admin_port "$name")/readyz"
  done
}

# All get the signal before the first is waited for: they drain side by side.
services_stop() {
  local name
  for name in payments-consumer payments-cron payments-server; do process_signal "$name" TERM; done
  for name in payments-consumer payments-cron payments-server; do process_stop "$name" TERM 40 KILL; done
}

migrate() {
  if [ ! -x "$STACK_BIN/paysaga" ]; then fail "$STACK_BIN/paysaga is not built: run 'make build'"; fi
  heading "migrating the database"
  (cd "$ROOT" && with_settings timeout 120 "$STACK_BIN/paysaga" migrate "$@") || fail "paysaga migrate $* failed"
}
