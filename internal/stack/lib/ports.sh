# TCP ports of this machine: who listens, and which are free. Reads /proc/net, so it needs no package.
# Sourced; see common.sh.

# Prints "UID INODE" of the listening socket on PORT, nothing when there is none.
port_listener() {
  local hex files=(/proc/net/tcp)
  hex=$(printf '%04X' "$1")
  if [ -r /proc/net/tcp6 ]; then files+=(/proc/net/tcp6); fi
  awk -v port="$hex" '$4 == "0A" && $2 ~ ":" port "$" { print $8, $10; exit }' "${files[@]}"
}

port_is_taken() { [ -n "$(port_listener "$1")" ]; }

# Prints who holds PORT as far as this user may see it: process and owner, or the owner alone.
port_holder() {
  local uid inode owner link pid
  read -r uid inode <<<"$(port_listener "$1")"
  owner=$(getent passwd "$uid" | cut -d: -f1)
  for link in /proc/[0-9]*/fd/*; do
    if [ "$(readlink "$link" 2>/dev/null)" = "socket:[$inode]" ]; then
      pid=${link#/proc/}
      pid=${pid%%/*}
      printf 'process %s (%s) of user %s' "$pid" "$(cat "/proc/$pid/comm" 2>/dev/null)" "${owner:-$uid}"
      return
    fi
  done
  printf 'a process of user %s' "${owner:-$uid}"
}

# port_require_free PORT WHAT VARIABLE ends the run with whom to ask when PORT is taken. Nothing is ever killed for it.
port_require_free() {
  if port_is_taken "$1"; then
    fail "port $1, which $2 needs, is held by $(port_holder "$1"). Nothing was touched: stop that program or ask its" \
      "owner to, or choose another port with $3=…"
  fi
}

# Prints a port nobody listens on, below the range from which the kernel hands out ports to clients.
port_pick_free() {
  local port attempt
  for attempt in $(seq 200); do
    port=$((15000 + (RANDOM * 32768 + RANDOM + attempt) % 17000))
    if ! port_is_taken "$port"; then
      printf '%s' "$port"
      return
    fi
  done
  fail "found no free port between 15000 and 32000"
}
