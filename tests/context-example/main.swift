// A context made up to show what one consists of: it opens a shipment for each completed payment.
// docs/adding-a-context.md walks through it.

import CLI
import Contexts
import Service
import Settings

let allContexts = contexts + [ShippingSettings.table.names]

// A context of the house has its lines in cmd/contexts, and `paysaga migrate up` runs them. This one brings its own.
if CommandLine.arguments.dropFirst().first == "migrate" {
  runPaysaga(contexts: allContexts, migrations: ShippingSchema.migrations)
}
runProgram(.shipping, contexts: allContexts) { settings, context in ShippingBody(settings, context) }
