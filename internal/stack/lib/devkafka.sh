# devkafka, the embedded Kafka for development: a program of this repository, state in memory.
# Sourced; see common.sh.

devkafka_listens() {
  if ! process_is_running devkafka; then return 2; fi
  port_is_taken "$STACK_KAFKA_PORT"
}

devkafka_start() {
  local pid arguments
  if pid=$(process_pid devkafka); then
    say "    devkafka: already running (pid $pid, $(process_address devkafka))"
    STACK_KAFKA_PORT=$(process_port devkafka)
    return
  fi
  if [ ! -x "$STACK_BIN/devkafka" ]; then fail "$STACK_BIN/devkafka is not built: run 'make build'"; fi
  port_require_free "$STACK_KAFKA_PORT" Kafka STACK_KAFKA_PORT
  make_stack_dirs
  heading "devkafka: starting on 127.0.0.1:$STACK_KAFKA_PORT"
  arguments=(--listen "127.0.0.1:$STACK_KAFKA_PORT"
    --topic inventory:4 --topic inventory.dlq:4 --topic payment:4)
  if [ -n "$STACK_KAFKA_CONTROL_PORT" ]; then
    port_require_free "$STACK_KAFKA_CONTROL_PORT" "devkafka's control endpoint" STACK_KAFKA_CONTROL_PORT
    arguments+=(--control "127.0.0.1:$STACK_KAFKA_CONTROL_PORT")
  fi
  process_launch devkafka "127.0.0.1:$STACK_KAFKA_PORT" "$STACK_BIN/devkafka" "${arguments[@]}"
  wait_until 20 "devkafka is starting" "$LOG_DIR/devkafka.log" devkafka_listens || fail "devkafka did not start"
}

devkafka_stop() { process_stop devkafka TERM 10 KILL; }
