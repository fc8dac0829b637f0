import Runtime
import Testing
import Values

@Suite struct PeriodicJobTests {
  @Test func runsFromStartToStopAndSoonerWhenWoken() {
    let runs = Monitor(0)
    let job = PeriodicJob(name: "job") {
      runs.update { $0 += 1 }
      return .seconds(60)
    }
    #expect(runs.wait(until: .now() + .milliseconds(20)) { $0 > 0 ? true : nil } == nil)
    job.start()
    #expect(runs.wait(until: .now() + .seconds(10)) { $0 == 1 ? true : nil } == true)
    job.wake()
    #expect(runs.wait(until: .now() + .seconds(10)) { $0 == 2 ? true : nil } == true)
    job.stop()
    job.stop()
    job.wake()
    #expect(runs.withLock { $0 } == 2)
  }

  @Test func mayBeStoppedBeforeItsStart() {
    let job = PeriodicJob(name: "job") { .seconds(60) }
    job.stop()
  }
}
