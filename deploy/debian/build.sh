#!/usr/bin/env bash
# build.sh [DIRECTORY]: packs the release build as DIRECTORY/paysaga_VERSION_ARCHITECTURE.deb, by default in .build/deb.
# Neither the imitated bank nor devkafka is in it.
set -Eeuo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
ROOT=$(dirname "$(dirname "$HERE")")
OUT=${1:-$ROOT/.build/deb}
BIN=$ROOT/.build/release
PROGRAMS=(payments-server payments-consumer payments-cron payments-gateway payments-processor paysaga)

for program in "${PROGRAMS[@]}"; do
  if [ ! -x "$BIN/$program" ]; then
    echo "error: $BIN/$program is not there; run 'make release' first" >&2
    exit 1
  fi
done

version=$("$BIN/paysaga" --version | cut -d' ' -f2)
architecture=$(dpkg --print-architecture)
mkdir -p "$OUT"
stage=$(mktemp -d)
trap 'rm -rf "${stage:?}"' EXIT
# What mktemp has made is for its owner alone; the packed root is not.
chmod 755 "$stage"

share=$stage/usr/share
install -d "$stage"/{DEBIAN,usr/bin,usr/lib/systemd/system,usr/lib/sysusers.d} "$share"/{doc/paysaga/images,man/man1,man/man8} \
  "$share/bash-completion/completions" "$share/zsh/vendor-completions" "$share/fish/vendor_completions.d" \
  "$share"/paysaga/{prometheus,grafana/dashboards}
install -d -m 750 "$stage/etc/paysaga"
for program in "${PROGRAMS[@]}"; do install -s -m 755 "$BIN/$program" "$stage/usr/bin/"; done
install -m 644 "$ROOT"/deploy/systemd/*.service "$stage/usr/lib/systemd/system/"
install -m 644 "$ROOT/deploy/systemd/paysaga.sysusers.conf" "$stage/usr/lib/sysusers.d/paysaga.conf"
install -m 640 "$ROOT/config/production.example.env" "$stage/etc/paysaga/paysaga.env"
install -m 644 "$ROOT/README.md" "$ROOT/CHANGELOG.md" "$ROOT/LICENSE" "$ROOT"/docs/*.md "$share/doc/paysaga/"
install -m 644 "$ROOT"/docs/images/* "$share/doc/paysaga/images/"
install -m 644 "$ROOT/config/prometheus/alerts.yml" "$share/paysaga/prometheus/"
install -m 644 "$ROOT"/config/grafana/dashboards/*.json "$share/paysaga/grafana/dashboards/"
"$BIN/paysaga" completion bash >"$share/bash-completion/completions/paysaga"
"$BIN/paysaga" completion zsh >"$share/zsh/vendor-completions/_paysaga"
"$BIN/paysaga" completion fish >"$share/fish/vendor_completions.d/paysaga.fish"
"$BIN/paysaga" manual | gzip -9n >"$share/man/man1/paysaga.1.gz"
# Of a service the page is its --help.
for program in "${PROGRAMS[@]}"; do
  if [ "$program" != paysaga ]; then
    {
      printf '.TH %s 8 "" "Paysaga %s" "System Administration"\n.nf\n' "${program^^}" "$version"
      "$BIN/$program" --help | sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^[.']/\\\\\&&/"
    } | gzip -9n >"$share/man/man8/$program.8.gz"
  fi
done
find "$share" -type f -exec chmod 644 {} +
install -m 644 "$HERE/conffiles" "$stage/DEBIAN/"
install -m 755 "$HERE/postinst" "$HERE/postrm" "$stage/DEBIAN/"
size=$(du -sk --exclude=DEBIAN "$stage" | cut -f1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$size/" "$HERE/control.in" \
  >"$stage/DEBIAN/control"

package=$OUT/paysaga_${version}_$architecture.deb
# One time for all files, so that the same build gives the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$ROOT" log -1 --format=%ct 2>/dev/null || echo 0)} \
  dpkg-deb --root-owner-group -Zzstd --build "$stage" "$package" >/dev/null
echo "$package"
