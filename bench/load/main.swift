import Glibc
import Values

// The load of the benchmarks: `settle` calls UpdatePaymentStatus, `create` CreatePayment, `pay` POST /v1/payments,
// `ledger` moves users' money, `produce` fills a topic, `saga` takes orders through all of it. One JSON object on
// standard output tells what came of it.

/// Tells something on standard error.
func notice(_ message: String) {
  let bytes = Array("bench-load: \(message)\n".utf8)
  _ = write(STDERR_FILENO, bytes, bytes.count)
}

/// Ends the program with a message.
func fail(_ message: String) -> Never {
  notice(message)
  exit(1)
}

/// The options of the command line, each with a value.
let options = LoadOptions(CommandLine.arguments.dropFirst(2))
switch CommandLine.arguments.dropFirst().first {
case "create": CallLoad(.create, options).run()
case "settle": CallLoad(.settle, options).run()
case "pay": PayLoad(options).run()
case "ledger": LedgerLoad(options).run()
case "produce": ProduceLoad(options).run()
case "saga": SagaLoad(options).run()
default: fail("expected create, settle, pay, ledger, produce or saga")
}
