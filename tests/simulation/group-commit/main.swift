// group-commit-simulator [--seed N] [--runs N] [--trace] [--sabotage NAME]: random schedules of the group commit.
import Glibc
import SimulationSupport

requireDeterministicHashing()
exit(
  SimulatorProgram<GroupCommitTotals>(
    "group-commit", arguments: Array(CommandLine.arguments.dropFirst()), known: []
  ).run())
