#!/usr/bin/env bash
# check-imports.sh [ROOT]: the import rules of CONTRIBUTING.md, which the target graph of Package.swift alone cannot keep
# (a target may list a dependency nobody wanted, and a C library may be listed twice).
#
#  1. A C library (a folder of internal/system) is imported by at most one module, test targets included.
#  2. Imports point one way: cmd → cli → contexts (saga) → net, data → kit. net and data do not know each other.
#  3. A context's Domain imports neither Foundation nor anything else but Errors, Values and Tracing.
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
  # The folder that decides the level: internal/data/Kafka -> data, cmd/server -> cmd. Service waits for what
  # programs need and stands above data for now.
  function area(folder,  parts) {
    if (folder ~ /^internal\/kit\/Service/) return "service"
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
    level["kit"] = 0; level["net"] = 1; level["data"] = 1; level["service"] = 2; level["saga"] = 3; level["cli"] = 4
    level["cmd"] = 5
    split("Synchronization Values Errors Tracing", list, " ")
    for (i in list) domain[list[i]] = 1
    split("SagaDomain SagaStore SagaAPI", list, " ")
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
    if (home ~ /\/Domain$/ && !(imported in domain) && folder_for[imported] != home)
      complain(file ": the domain may not import " imported)
    if (home == folder_for["Outbox"] && imported in not_outbox)
      complain(file ": the outbox knows nothing of payments and may not import " imported)
    if (!(imported in folder_for) || !(mine in level)) next
    theirs = area(folder_for[imported])
    if (level[theirs] > level[mine] || (level[theirs] == level[mine] && theirs != mine))
      complain(file ": " mine " may not import " imported " of " theirs)
  }
  END {
    for (name in users) if (users[name] > 1) complain("the C library " name " is imported by several modules:" who[name])
    if (!seen) complain("no import was found: is this the root of the repository?")
    if (!failed) print "imports: " seen " checked"
    exit failed
  }'
