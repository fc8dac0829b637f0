import Glibc
import Values

// The load of the benchmarks: `settle` calls UpdatePaymentStatus, `create` CreatePayment, `ledger` moves users' money,
// `produce` fills a topic. One JSON object on standard output tells what came of it.

/// Ends the program with a message.
func fail(_ message: String) -> Never {
  let bytes = Array("bench-load: \(message)\n".utf8)
  _ = write(STDERR_FILENO, bytes, bytes.count)
  exit(1)
}

/// The options of the command line, each with a value.
let options = LoadOptions(CommandLine.arguments.dropFirst(2))
switch CommandLine.arguments.dropFirst().first {
case "create": CallLoad(.create, options).run()
case "settle": CallLoad(.settle, options).run()
case "ledger": LedgerLoad(options).run()
case "produce": ProduceLoad(options).run()
default: fail("expected create, settle, ledger or produce")
}
