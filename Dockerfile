# All programs in one image; docker-compose.yml and the command line choose which one runs. Two targets: production (the
# default) and development.

FROM swift:6.3.1-bookworm AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libcurl4-openssl-dev libgnutls28-dev libhiredis-dev libmicrohttpd-dev libnghttp2-dev libpq-dev librdkafka-dev libssl-dev \
      pkg-config zlib1g-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Package.swift ./
COPY cmd cmd
COPY internal internal
# Compiled into the programs.
COPY migrations migrations
COPY api/openapi api/openapi
# Package.swift names the targets of the tests and of the benchmarks, so their folders must be there.
COPY tests tests
COPY bench bench
# docker build --build-arg PAYSAGA_COMMIT=$(git rev-parse --short=12 HEAD); PAYSAGA_VERSION only for what is no release.
ARG PAYSAGA_COMMIT=unknown
ARG PAYSAGA_VERSION
RUN --mount=type=cache,target=/src/.build \
    if [ -n "$PAYSAGA_VERSION" ]; then export PAYSAGA_VERSION; else unset PAYSAGA_VERSION; fi \
 && PAYSAGA_COMMIT="$PAYSAGA_COMMIT" swift build -c release --static-swift-stdlib \
 && mkdir -p /out/production /out/development \
 && for program in \
      payments-server payments-consumer payments-cron payments-processor payments-gateway paysaga; do \
      install -s -m 755 ".build/release/$program" /out/production/ || exit 1; \
    done \
 && for program in bankstub devkafka; do install -s -m 755 ".build/release/$program" /out/development/ || exit 1; done

FROM debian:bookworm-slim AS runtime
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates libcurl4 libgnutls30 libhiredis0.14 libmicrohttpd12 libnghttp2-14 libpq5 librdkafka1 libssl3 libstdc++6 zlib1g \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin paysaga
COPY --from=build /out/production/ /usr/local/bin/
COPY --chmod=755 internal/stack/http-ready.sh /usr/local/bin/http-ready
USER 10001
ENV SWIFT_BACKTRACE=enable=no
EXPOSE 4000 8000 8010 8011 8081 8090 9000 9101 9102 9103 9104 9105 9191
CMD ["payments-server"]

# With the imitated bank and broker, for docker-compose.yml.
FROM runtime AS development
USER root
COPY --from=build /out/development/ /usr/local/bin/
COPY config /etc/paysaga
# What the bank stub keeps, and the SQL of the database's roles; a volume takes the owner over.
RUN install -d -o paysaga -g paysaga /var/lib/bankstub /sql
USER 10001
EXPOSE 9002 9107

# The last one, which a build without --target makes: the programs alone, with settings from the environment.
FROM runtime AS production
