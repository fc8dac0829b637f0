import SimulationSupport

/// What all schedules of the relay did together.
struct RelayTotals: ScheduleTotals {
  private var steps = 0
  private var faults = 0
  private var events = 0
  private var appends = 0
  private var duplicates = 0
  private var lateCopies = 0
  private var seconds: Int64 = 0

  mutating func add(_ simulation: Simulation) {
    steps += simulation.steps
    faults += simulation.faults
    events += simulation.oracle.committed
    appends += simulation.oracle.appends
    duplicates += simulation.oracle.duplicates
    lateCopies += simulation.oracle.lateCopies
    seconds += simulation.now / 1_000_000_000
  }

  var text: String {
    "\(steps) steps, \(seconds) simulated seconds, \(faults) faults, \(events) events committed, "
      + "\(appends) appended, \(duplicates) of them duplicates with a cause, "
      + "\(lateCopies) late copies within the documented limit"
  }
}
