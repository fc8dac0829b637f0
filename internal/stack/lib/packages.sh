# The Debian packages this repository needs, and their installation.
# Sourced; see common.sh.
#
# Installing Debian's postgresql and redis-server normally makes a cluster and starts both as services. Nobody asked for
# that: while apt-get runs, a policy forbids starting services and createcluster.conf forbids the cluster. Both files
# are put back as they were, also after a failure, and after a SIGKILL at the next run.

# shellcheck disable=SC2034 # read by name in packages_ensure
{
  PACKAGES_BUILD=(libpq-dev libhiredis-dev librdkafka-dev libnghttp2-dev libmicrohttpd-dev libssl-dev zlib1g-dev
    pkg-config)
  PACKAGES_RUN=(postgresql redis-server redis-tools kcat)
  PACKAGES_TEST=(python3 python3-venv protobuf-compiler nghttp2-client nghttp2-server openssl pgbouncer
    shellcheck spin gcc)
  # grpc-c++ is a baseline, callgrind counts instructions.
  PACKAGES_BENCH=(valgrind g++ protobuf-compiler-grpc libgrpc++-dev libprotobuf-dev)
}

POLICY=/usr/sbin/policy-rc.d
CLUSTER_CONF=/etc/postgresql-common/createcluster.conf
SAVED=/var/lib/paysaga/installing # what the two files held before; exists only while apt-get runs

package_is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# packages_ensure GROUP…: installs what is missing of the groups build, run, test and bench.
packages_ensure() {
  local group package missing=()
  if ! have dpkg-query; then fail "only Debian 12 is supported without Docker: dpkg was not found"; fi
  if is_root; then packages_recover; fi
  for group in "$@"; do
    local -n list=PACKAGES_${group^^}
    for package in "${list[@]}"; do
      if ! package_is_installed "$package"; then missing+=("$package"); fi
    done
  done
  if [ ${#missing[@]} -eq 0 ]; then
    say "    packages: everything needed is installed"
    return
  fi
  heading "installing ${#missing[@]} Debian packages: ${missing[*]}"
  if is_root; then
    packages_install "${missing[@]}"
  elif have sudo; then
    sudo bash "$ROOT/internal/stack/stack.sh" install-packages "${missing[@]}"
  else
    fail "these Debian packages are missing and only root may install them:
  apt-get install ${missing[*]}
(postgresql and redis-server start as services when installed by hand; this stack does not need them running)"
  fi
}

packages_install() {
  local fresh_redis=no
  packages_recover
  if ! package_is_installed redis-server; then fresh_redis=yes; fi
  # EXIT covers a failure of apt-get too, because every script here runs with set -e.
  trap 'exit 130' INT TERM
  trap packages_recover EXIT
  apt_get update
  services_hold
  case " $* " in
  *' postgresql '*)
    # Its own file must be there before the server's installation script reads it.
    apt_get install postgresql-common
    cluster_forbid
    ;;
  esac
  apt_get install "$@"
  services_release
  trap - EXIT INT TERM
  # Never ours to have running, so it must not come up at the next boot either.
  if [ "$fresh_redis" = yes ] && package_is_installed redis-server; then
    update-rc.d redis-server disable >/dev/null 2>&1 || true
  fi
}

# apt-get with its output in a log, the elapsed time on the terminal, and patience with another apt-get.
apt_get() {
  local log=$LOG_DIR/apt.log pid
  make_stack_dirs
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold -o Acquire::Retries=3 "$@" \
    </dev/null >>"$log" 2>&1 &
  pid=$!
  if [ -d "$SAVED" ]; then printf '%s %s\n' "$pid" "$(process_start_time "$pid")" >"$SAVED/apt.pid"; fi
  if ! wait_until 900 "apt-get $1" "$log" apt_get_ended "$pid"; then
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
    fail "apt-get $* took too long"
  fi
  wait "$pid" || {
    last_lines "$log"
    fail "apt-get $* failed"
  }
}

apt_get_ended() { ! process_start_time "$1" >/dev/null; }

services_hold() {
  mkdir -p "$SAVED"
  if [ -e "$POLICY" ] || [ -L "$POLICY" ]; then mv "$POLICY" "$SAVED/policy-rc.d"; fi
  touch "$SAVED/policy-is-ours"
  printf '#!/bin/sh\nexit 101\n' >"$POLICY"
  chmod 755 "$POLICY"
}

cluster_forbid() {
  if [ -e "$CLUSTER_CONF" ]; then cp -p "$CLUSTER_CONF" "$SAVED/createcluster.conf"; fi
  printf 'create_main_cluster = false\n' >>"$CLUSTER_CONF"
}

# Puts the two files back after an interrupted run, once its apt-get has ended: that one goes on by itself (stopping it
# halfway would leave half-installed packages) and must not find services allowed again.
packages_recover() {
  local pid start
  if [ ! -d "$SAVED" ]; then return 0; fi
  if read -r pid start 2>/dev/null <"$SAVED/apt.pid" && [ "$(process_start_time "$pid")" = "$start" ]; then
    say "    an interrupted installation is still at work (pid $pid): waiting for it to end"
    wait_until 900 "apt-get" "$LOG_DIR/apt.log" apt_get_ended "$pid" || return 1
  fi
  services_release
}

services_release() {
  if [ -e "$SAVED/policy-is-ours" ]; then rm -f "$POLICY"; fi
  if [ -e "$SAVED/policy-rc.d" ] || [ -L "$SAVED/policy-rc.d" ]; then mv "$SAVED/policy-rc.d" "$POLICY"; fi
  if [ -e "$SAVED/createcluster.conf" ]; then cp -p "$SAVED/createcluster.conf" "$CLUSTER_CONF"; fi
  rm -rf "${SAVED:?}"
}
