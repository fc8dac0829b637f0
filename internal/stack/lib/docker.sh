# The stack with Docker: docker-compose.yml does the work.
# Sourced; see common.sh.

compose() { (cd "$ROOT" && docker compose "$@"); }

docker_answers() {
  have docker && timeout 10 docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1
}

docker_up() {
  heading "docker compose: building the image and starting the containers"
  if ! compose up --build --detach --wait --wait-timeout 600; then
    compose ps --all >&2
    compose logs --tail 20 >&2
    fail "docker compose up failed; the lines above say which container and why"
  fi
  cat >&2 <<TEXT

Paysaga is up, in Docker.
  gRPC         127.0.0.1:8081 (clear, h2c)
  PostgreSQL   postgres://payments:payments@127.0.0.1:54321/payments?sslmode=disable
  Redis        redis://127.0.0.1:6379/0
  Kafka        127.0.0.1:9095, kafka-ui http://127.0.0.1:8080
  admin        http://127.0.0.1:9101  :9102  :9103  (/healthz /readyz /metrics)
  Prometheus   http://127.0.0.1:9090, Grafana http://127.0.0.1:3000

Try next:
  make demo
  docker compose run --rm paysaga push --order 111
  docker compose run --rm paysaga get --order 111

'make status' shows what runs, 'make logs' follows the logs, 'make down' stops it.
TEXT
}

docker_down() { compose down --timeout 40; }
docker_status() { compose ps --all; }
docker_reset() { compose down --timeout 40 --volumes; }
