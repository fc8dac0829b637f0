# Processes of ours: started in the background with a pid file, found again, stopped.
# Sourced; see common.sh.
#
# A pid file holds "PID START BOOT": START is when the kernel says the process began (clock ticks since boot), BOOT the
# kernel's id of this boot. A recycled pid has another START, a reboot another BOOT, so no stranger is ever signalled.

boot_id() { cat /proc/sys/kernel/random/boot_id; }

# Prints the start time of PID; fails when there is no such process, or a zombie only.
process_start_time() {
  local stat fields
  # Not $(<file): in bash 5.2 its failure to open the file ends the whole script, whatever follows.
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
  # The command name may hold blanks and parentheses: what counts comes after the last one.
  read -ra fields <<<"${stat##*) }"
  if [ "${fields[0]}" = Z ]; then return 1; fi
  printf '%s' "${fields[19]}"
}

# Prints the pid of NAME when the process its pid file names still runs.
process_pid() {
  local pid start boot
  read -r pid start boot 2>/dev/null <"$RUN_DIR/$1.pid" || return 1
  if [ "$boot" != "$(boot_id)" ] || [ "$(process_start_time "$pid")" != "$start" ]; then return 1; fi
  printf '%s' "$pid"
}

process_is_running() { process_pid "$1" >/dev/null; }

process_address() { cat "$RUN_DIR/$1.address" 2>/dev/null || printf -- '-'; }

# The port a running NAME was started with: it counts, not the one this run would have chosen.
process_port() { process_address "$1" | sed 's/.*://'; }

# process_launch NAME ADDRESS COMMAND… starts COMMAND in a session of its own with its output in NAME.log.
process_launch() {
  local name=$1 address=$2 log=$LOG_DIR/$1.log pid start
  shift 2
  make_stack_dirs
  if [ -f "$log" ] && [ "$(stat -c %s "$log")" -gt 20000000 ]; then mv -f "$log" "$log.1"; fi
  # No descriptor of the caller may stay open in the background: a pipe kept open would hang whoever reads it, and
  # 9 is the lock of `up`. /: the user it runs as may not be allowed in here.
  (
    exec 9>&-
    cd /
    exec setsid "$@"
  ) </dev/null >>"$log" 2>&1 &
  pid=$!
  disown "$pid"
  start=$(process_start_time "$pid") || start=0
  printf '%s %s %s\n' "$pid" "$start" "$(boot_id)" >"$RUN_DIR/$name.pid"
  printf '%s\n' "$address" >"$RUN_DIR/$name.address"
}

# process_stop NAME SIGNAL SECONDS HARDER: SIGNAL, and HARDER when it has not ended after SECONDS.
process_stop() {
  local name=$1 signal=$2 grace=$3 harder=$4 pid
  if ! pid=$(process_pid "$name"); then
    if [ -e "$RUN_DIR/$name.pid" ]; then say "    $name stopped"; fi
    rm -f "$RUN_DIR/$name.pid" "$RUN_DIR/$name.address"
    return 0
  fi
  process_signal "$name" "$signal"
  if ! wait_until "$grace" "$name (pid $pid) is stopping" "$LOG_DIR/$name.log" process_is_gone "$name"; then
    say "    $name did not stop within $grace s: sending SIG$harder"
    process_signal "$name" "$harder"
    wait_until 10 "$name (pid $pid) is stopping" "$LOG_DIR/$name.log" process_is_gone "$name"
  fi
  rm -f "$RUN_DIR/$name.pid" "$RUN_DIR/$name.address"
  say "    $name stopped"
}

process_is_gone() { ! process_is_running "$1"; }

# The pid is looked up again for each signal: between two signals it may have ended and been recycled.
process_signal() {
  local pid
  if pid=$(process_pid "$1"); then kill -s "$2" "$pid" 2>/dev/null || true; fi
}
