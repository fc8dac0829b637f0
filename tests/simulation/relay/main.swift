// relay-simulator [--seed N] [--runs N] [--trace] [--sabotage NAME] [--seeds FILE]: random schedules of the relay.
import Glibc

// Dictionaries are ordered by a random seed of the process otherwise, and a run could not be played again.
if getenv("SWIFT_DETERMINISTIC_HASHING") == nil {
  setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
  let arguments = CommandLine.unsafeArgv
  execv("/proc/self/exe", arguments)
}
exit(Program(arguments: Array(CommandLine.arguments.dropFirst())).run())
