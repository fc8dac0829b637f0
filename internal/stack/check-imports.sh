#!/usr/bin/env bash
# check-imports.sh [ROOT]: the import rules of CONTRIBUTING.md, which the target graph of Package.swift alone cannot keep
# (a target may list a dependency nobody wanted, and a C library may be listed twice).
#
#  1. A C library (a folder of internal/system) is imported by at most one module, test targets included.
#  2. Imports point one way: cmd → app → storage, clients, rpc → services → errs; anything → runtime, monitoring.
#     Boxes of the same level but of different folders (storage and clients, say) do not know each other.
#  3. The domain (services) imports neither Foundation nor anything else but errs, runtime and monitoring.
#  4. The outbox knows nothing of payments.
set -Eeuo pipefail

cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}"

# "MODULE FOLDER" of every target Package.swift makes with box, program, unit or path:.
targets() {
  tr '\n' ' ' <Package.swift | grep -oE '(box|program)\( *"[^"]+", *"[^"]+"' |
    sed -E 's/^box\( *"([^"]+)", *"([^"]+)"/\1 internal\/\2/; s/^program\( *"([^"]+)", *"([^"]+)"/\1 cmd\/\2/'
}

# "FILE MODULE" for every import of a Swift file, whatever its access level, attributes or kind.
imports() {
  find cmd internal tests -name '*.swift' -exec grep -EHo \
    '^[[:space:]]*(@[A-Za-z_]+(\([^)]*\))?[[:space:]]+)*((public|package|internal|fileprivate|private)[[:space:]]+)?import[[:space:]].*' {} + |
    sed -E 's/^([^:]+):.*import[[:space:]]+((struct|class|enum|protocol|func|var|let|typealias)[[:space:]]+)?([A-Za-z0-9_]+).*/\1 \4/'
}

c_libraries() { find internal/system -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort; }

{
  targets | sed 's/^/target /'
  c_libraries | sed 's/^/library /'
  imports | sort | sed 's/^/import /'
} | awk '
  # The folder that decides the level: internal/storage/db -> storage, cmd/server -> cmd.
  function area(folder,  parts) {
    split(folder, parts, "/")
    return parts[1] == "internal" ? parts[2] : parts[1]
  }
  # The longest target folder the file lies in; test folders are modules of their own.
  function folder_of(file,  best, folder) {
    best = ""
    for (folder in module_at)
      if (index(file, folder "/") == 1 && length(folder) > length(best)) best = folder
    if (best == "") { best = file; sub(/\/[^\/]*$/, "", best) }
    return best
  }
  function complain(text) { print "error: " text; failed = 1 }
  BEGIN {
    level["runtime"] = 0; level["errs"] = 0; level["monitoring"] = 1; level["config"] = 2; level["services"] = 2
    level["storage"] = 3; level["clients"] = 3; level["rpc"] = 3; level["app"] = 4; level["cmd"] = 5
    split("Synchronization Runtime Errs Logger Metrics Tracing", list, " ")
    for (i in list) domain[list[i]] = 1
    split("Payments PaymentRepository Messages SystemService", list, " ")
    for (i in list) not_outbox[list[i]] = 1
  }
  $1 == "target" { module_at[$3] = $2; folder_for[$2] = $3 }
  $1 == "library" { library[$2] = 1 }
  $1 == "import" {
    file = $2; imported = $3; seen++
    home = folder_of(file); mine = area(home)
    if (imported in library) {
      if (!((imported, home) in used)) { used[imported, home] = 1; users[imported]++; who[imported] = who[imported] " " home }
      next
    }
    if (mine == "services" && !(imported in domain) && folder_for[imported] != home)
      complain(file ": the domain may not import " imported)
    if (home == folder_for["Outbox"] && imported in not_outbox)
      complain(file ": the outbox knows nothing of payments and may not import " imported)
    if (!(imported in folder_for) || !(mine in level)) next
    theirs = area(folder_for[imported])
    if (level[theirs] > level[mine] || (level[theirs] == level[mine] && theirs != mine && theirs != "monitoring"))
      complain(file ": " mine " may not import " imported " of " theirs)
  }
  END {
    for (name in users) if (users[name] > 1) complain("the C library " name " is imported by several modules:" who[name])
    if (!seen) complain("no import was found: is this the root of the repository?")
    if (!failed) print "imports: " seen " checked"
    exit failed
  }'
