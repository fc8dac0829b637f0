# A private PostgreSQL: its own data directory, loopback only, user, password and database `payments`.
# Sourced; see common.sh.
#
# PostgreSQL refuses to run as root, so as root it runs as `postgres` through setpriv. Its data lies in STACK_DIR/postgres
# when that user can get there. A checkout below a directory only root may enter (/root/…) keeps it in a directory of its
# own under /var/lib/paysaga instead, with STACK_DIR/postgres as a link to it; that link is the only way it is found
# again, so a new checkout at the same path never meets old data.

POSTGRES_FALLBACK=/var/lib/paysaga

as_postgres() {
  if is_root; then
    setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
  else
    "$@"
  fi
}

# Prints the directory of the newest installed server's programs.
postgres_bin() {
  local directory
  directory=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  if [ ! -x "$directory/postgres" ]; then
    fail "no PostgreSQL server below /usr/lib/postgresql: run 'make deps', or install the package postgresql"
  fi
  printf '%s' "$directory"
}

# Makes STACK_DIR/postgres (or the directory it links to) and prints the real path.
postgres_home() {
  local home=$STACK_DIR/postgres
  if [ ! -e "$home" ]; then
    rm -f "$home" # a link whose target was removed
    mkdir -p "$STACK_DIR"
    if ! is_root || (cd / && as_postgres test -x "$STACK_DIR"); then
      mkdir -m 700 "$home"
    else
      postgres_fallback_home "$home"
    fi
    if is_root; then chown postgres:postgres "$(readlink -f "$home")"; fi
  fi
  if ! (cd / && as_postgres test -w "$(readlink -f "$home")"); then
    fail "$home cannot be entered by the user PostgreSQL runs as (postgres when that is root)." \
      "Was the checkout moved, or 'make up' run by another user before? 'make reset' as that user removes the data."
  fi
  readlink -f "$home"
}

postgres_fallback_home() {
  local hash target
  hash=$(printf '%s' "$STACK_DIR" | sha256sum | cut -c1-12)
  (umask 022 && mkdir -p "$POSTGRES_FALLBACK")
  target=$(mktemp -d "$POSTGRES_FALLBACK/$hash-XXXXXX")
  ln -s "$target" "$1"
  say "    the user postgres cannot enter $STACK_DIR, so the data lies in $target"
}

# initdb into a directory beside the final one: an interrupted run leaves no half-made cluster to stumble over.
postgres_initialise() {
  local home=$1 bin=$2 password
  heading "postgres: making a database cluster in $home"
  (cd / && as_postgres rm -rf "${home:?}/new")
  password=$(mktemp)
  printf 'payments\n' >"$password"
  if is_root; then chown postgres "$password"; fi
  if ! (cd / && as_postgres "$bin/initdb" --pgdata="$home/new" --username=payments --pwfile="$password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8) >>"$LOG_DIR/initdb.log" 2>&1; then
    rm -f "$password"
    last_lines "$LOG_DIR/initdb.log"
    fail "initdb failed"
  fi
  rm -f "$password"
  (cd / && as_postgres mv "$home/new" "$home/data")
}

postgres_psql() {
  PGPASSWORD=payments PGCONNECT_TIMEOUT=3 psql -X -h 127.0.0.1 -p "$STACK_POSTGRES_PORT" -U payments "$@"
}

postgres_answers() {
  if ! process_is_running postgres; then return 2; fi
  postgres_psql -d postgres -Atqc 'SELECT 1' >/dev/null 2>&1 || return 1 # psql's own 2 means no connection
}

# The server and its settings: fsync stays on (the guarantees are measured with it), 256 MB of buffers for the figures
# of design section 8, everything else as PostgreSQL ships it.
postgres_launch() {
  local home=$1 bin=$2 runner=()
  if is_root; then runner=(setpriv --reuid=postgres --regid=postgres --init-groups --); fi
  process_launch postgres "127.0.0.1:$STACK_POSTGRES_PORT" "${runner[@]}" "$bin/postgres" -D "$home/data" \
    -p "$STACK_POSTGRES_PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c max_connections=100 -c shared_buffers=256MB -c max_wal_size=2GB -c fsync=on \
    -c cluster_name=paysaga -c 'log_line_prefix=%m [%p] %q%a '
}

postgres_start() {
  local bin home pid attempt
  if pid=$(process_pid postgres); then
    say "    postgres: already running (pid $pid, $(process_address postgres))"
    STACK_POSTGRES_PORT=$(process_port postgres)
    return
  fi
  bin=$(postgres_bin)
  port_require_free "$STACK_POSTGRES_PORT" PostgreSQL STACK_POSTGRES_PORT
  make_stack_dirs
  home=$(postgres_home)
  if [ ! -s "$home/data/PG_VERSION" ]; then postgres_initialise "$home" "$bin"; fi
  if [ "$(cat "$home/data/PG_VERSION")" != "$(basename "$(dirname "$bin")")" ]; then
    fail "the data in $home are of PostgreSQL $(cat "$home/data/PG_VERSION"), the installed server is in $bin." \
      "Install that version, or remove the data with 'make reset'."
  fi
  # After a SIGKILL of the postmaster its children take a moment to notice; until then a new one refuses to start.
  for attempt in 1 2 3; do
    heading "postgres: starting on 127.0.0.1:$STACK_POSTGRES_PORT"
    postgres_launch "$home" "$bin"
    if wait_until 60 "postgres is starting" "$LOG_DIR/postgres.log" postgres_answers; then
      postgres_make_database
      return
    fi
    if process_is_running postgres || [ "$attempt" -eq 3 ]; then fail "PostgreSQL did not start"; fi
    say "    trying again"
    sleep 2
  done
}

postgres_make_database() {
  if [ "$(postgres_psql -d postgres -Atqc "SELECT count(*) FROM pg_database WHERE datname = 'payments'")" = 0 ]; then
    postgres_psql -d postgres -qc 'CREATE DATABASE payments'
  fi
}

# SIGINT is PostgreSQL's fast shutdown: open transactions are rolled back, everything is written. SIGQUIT skips the
# writing and leaves recovery to the next start.
postgres_stop() { process_stop postgres INT 60 QUIT; }

# Removes the data; only directories this file made.
postgres_remove() {
  local home=$STACK_DIR/postgres target
  if [ -L "$home" ]; then
    target=$(readlink "$home")
    case $target in
    "$POSTGRES_FALLBACK"/*) rm -rf "${target:?}" ;;
    *) fail "$home links to $target, which is not ours: not removed" ;;
    esac
  fi
  rm -rf "${home:?}"
}
