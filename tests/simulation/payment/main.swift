// payment-simulator [--seed N] [--runs N] [--trace] [--sabotage NAME]: random schedules of direct payments.
import Glibc
import SimulationSupport

requireDeterministicHashing()
exit(
  SimulatorProgram<PaymentTotals>("payment", arguments: Array(CommandLine.arguments.dropFirst()), known: []).run())
