// relay-simulator [--seed N] [--runs N] [--trace] [--sabotage NAME]: random schedules of the relay.
import Glibc
import SimulationSupport

requireDeterministicHashing()
exit(
  SimulatorProgram<RelayTotals>(
    "relay", arguments: Array(CommandLine.arguments.dropFirst()), known: [2, 9, 17, 26, 55, 281, 7_381]
  ).run())
