# A private Redis without persistence. It is a filter in front of the database (guarantee G7), so losing it is harmless.
# Sourced; see common.sh.

redis_answers() {
  if ! process_is_running redis; then return 2; fi
  [ "$(redis-cli -h 127.0.0.1 -p "$STACK_REDIS_PORT" PING 2>/dev/null)" = PONG ]
}

redis_start() {
  local pid
  if pid=$(process_pid redis); then
    say "    redis: already running (pid $pid, $(process_address redis))"
    STACK_REDIS_PORT=$(process_port redis)
    return
  fi
  if ! have redis-server; then fail "redis-server is not installed: run 'make deps'"; fi
  port_require_free "$STACK_REDIS_PORT" Redis STACK_REDIS_PORT
  make_stack_dirs
  heading "redis: starting on 127.0.0.1:$STACK_REDIS_PORT"
  process_launch redis "127.0.0.1:$STACK_REDIS_PORT" "$(command -v redis-server)" --port "$STACK_REDIS_PORT" \
    --bind 127.0.0.1 --save '' --appendonly no --daemonize no --maxmemory 256mb --maxmemory-policy allkeys-lru
  wait_until 20 "redis is starting" "$LOG_DIR/redis.log" redis_answers || fail "Redis did not start"
}

redis_stop() { process_stop redis TERM 10 KILL; }
