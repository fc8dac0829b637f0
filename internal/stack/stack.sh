#!/usr/bin/env bash
# The local stack. `make` calls it, and tests do with a STACK_DIR and ports of their own; `stack.sh help` lists all.
set -Eeuo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
for part in common ports process packages build postgres redis devkafka services local docker; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$part.sh"
done

usage() {
  cat <<'TEXT'
usage: stack.sh COMMAND

the whole stack
  up                 install what is missing, build, start, migrate, wait until ready, print the addresses
  down               stop it; data are kept
  restart            down, then up
  status             what runs, and is it ready
  logs               follow the logs
  reset              remove the data (the stack must be down)

parts (local only)
  deps [GROUP…]      install the missing Debian packages of build, run, test (the default), bench
  build              release build
  venv               the Python environment of the tests, .local/venv
  backing-up [--free-ports]   PostgreSQL, Redis and devkafka; prints `export TEST_DB_DSN=…` lines to evaluate
  migrate ARG…       paysaga migrate against this stack
  services-up        the programs, and wait until they are ready
  start|stop NAME    one of postgres redis devkafka payments-server payments-consumer payments-cron
  settings           DB_DSN, REDIS_DSN, KAFKA_BROKERS, SERVER_GRPC_ADDR of this stack

environment
  STACK=docker|local          default: docker when an engine answers, otherwise local
  STACK_DIR (.local)          data, logs and pid files
  STACK_BIN (.build/release)  the programs
  STACK_BUILD=0               up: do not build
  STACK_SERVICES              up: which programs (payments-server payments-consumer payments-cron)
  STACK_CONFIG (config/local.env)
  STACK_POSTGRES_PORT STACK_REDIS_PORT STACK_KAFKA_PORT STACK_KAFKA_CONTROL_PORT STACK_GRPC_PORT
  STACK_SERVER_ADMIN_PORT STACK_CONSUMER_ADMIN_PORT STACK_CRON_ADMIN_PORT
TEXT
}

# The stack that was brought up decides; otherwise STACK, otherwise what this machine can do.
stack_kind() {
  case ${STACK:-} in
  docker | local) printf '%s' "$STACK" ;;
  '')
    if [ -s "$STACK_DIR/kind" ]; then
      cat "$STACK_DIR/kind"
    elif docker_answers; then
      printf docker
    else
      printf local
    fi
    ;;
  *) fail "STACK is '$STACK'; allowed are docker and local" ;;
  esac
}

# Two `up` at once would start everything twice.
with_lock() {
  mkdir -p "$STACK_DIR"
  exec 9>"$STACK_DIR/lock"
  if ! flock -n 9; then
    say "    another run is working on $STACK_DIR: waiting for it"
    flock -w 1800 9 || fail "it did not end within 30 minutes"
  fi
  "$@"
}

up() {
  local kind
  kind=$(stack_kind)
  if [ "$kind" = docker ] && ! docker_answers; then
    fail "STACK=docker, but no Docker engine with the compose plugin answers ('docker info', 'docker compose version')"
  fi
  "${kind}_up"
  printf '%s\n' "$kind" >"$STACK_DIR/kind"
}

down() {
  "$(stack_kind)_down"
  rm -f "$STACK_DIR/kind"
}

reset() {
  "$(stack_kind)_reset"
  rm -f "$STACK_DIR/kind"
}

logs() {
  if [ "$(stack_kind)" = docker ]; then
    compose logs --follow --tail 20
  else
    exec tail -n 20 -F "$LOG_DIR"/*.log
  fi
}

part() {
  local action=$1 name=${2:-}
  case $name in
  postgres | redis | devkafka) "${name}_$action" ;;
  payments-server | payments-consumer | payments-cron)
    if [ "$action" = start ]; then STACK_SERVICES=$name services_start; else process_stop "$name" TERM 40 KILL; fi
    ;;
  *) fail "$action what? '$name' is none of the parts 'stack.sh help' lists" ;;
  esac
}

command=${1:-help}
shift || true
case $command in
up | down | reset) with_lock "$command" ;;
restart)
  with_lock down
  with_lock up
  ;;
status) "$(stack_kind)_status" ;;
logs) logs ;;
deps) if [ $# -eq 0 ]; then packages_ensure build run test; else packages_ensure "$@"; fi ;;
install-packages) packages_install "$@" ;;
build) build_release ;;
venv) build_venv ;;
backing-up) backing_up "$@" ;;
migrate) migrate "$@" ;;
services-up) services_start ;;
start | stop) part "$command" "$@" ;;
settings) stack_settings ;;
help | --help | -h) usage ;;
*)
  usage >&2
  fail "unknown command $command"
  ;;
esac
