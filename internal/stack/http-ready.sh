#!/usr/bin/env bash
# http-ready.sh HOST:PORT [PATH]: succeeds when GET PATH (default /readyz) answers 200 within three seconds.
# Plain bash, so the runtime image and a bare machine need no HTTP client for their health checks.
set -euo pipefail

address=${1:?usage: http-ready.sh HOST:PORT [PATH]}
path=${2:-/readyz}

probe() {
  exec 3<>"/dev/tcp/${1%:*}/${1##*:}"
  printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$2" "$1" >&3
  read -r _ status _ <&3
  [ "$status" = 200 ]
}

export -f probe
exec timeout 3 bash -c 'probe "$@"' probe "$address" "$path" 2>/dev/null
