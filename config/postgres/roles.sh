#!/bin/sh
# roles.sh roles|grants: gives the database of docker-compose.yml its roles, before the migrations, and their rights,
# after them. The SQL is that of `paysaga migrate roles` and `migrate grants`, in $SQL; the password of each role is in
# the environment under the role's name. Runs as the superuser of PGUSER, and may be repeated.
set -eu
SQL=${SQL:-/sql}
export PGUSER="${PGUSER:-payments}" PGDATABASE="${PGDATABASE:-payments}"

run() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

roles() { sed -n 's/.*CREATE ROLE \([a-z_]*\).*/\1/p' "$SQL/roles.sql" | sort -u; }

case $1 in
roles)
  owner=$(run -At -c "SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename = 'payment'")
  if [ "$owner" = "$PGUSER" ]; then
    echo "the tables are of an older stack, whose programs were superusers: 'make reset' removes the data" >&2
    exit 1
  fi
  run -f "$SQL/roles.sql"
  roles | while read -r role; do
    password=$(printenv "$role") || { echo "there is no password for the role $role" >&2; exit 1; }
    # From the standard input: psql fills in no variables elsewhere.
    echo "ALTER ROLE $role PASSWORD :'password'" | run -v password="$password"
  done
  run -v name="$PGDATABASE" <<END
ALTER DATABASE :"name" OWNER TO paysaga_saga_owner;
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"name" TO $(roles | paste -sd,);
GRANT CREATE ON DATABASE :"name" TO paysaga_saga_owner, paysaga_processing_owner, paysaga_gateway_owner;
END
  ;;
grants) run -f "$SQL/grants.sql" ;;
esac
