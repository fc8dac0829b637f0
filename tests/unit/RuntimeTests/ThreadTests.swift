import Runtime
import Testing
import Values

@Suite struct MonitorTests {
  @Test func wakesAWaiter() {
    let monitor = Monitor(0)
    let thread = WorkerThread(name: "adder") {
      for _ in 0..<100 { monitor.update { $0 += 1 } }
    }
    let seen = monitor.wait(until: .now() + .seconds(10)) { $0 == 100 ? $0 : nil }
    thread.join()
    #expect(seen == 100)
  }

  @Test func givesUpAtItsDeadline() {
    let monitor = Monitor(0)
    let begin = Instant.now()
    let result: Int? = monitor.wait(until: begin + .milliseconds(30)) { _ in nil }
    #expect(result == nil && Instant.now() - begin >= .milliseconds(30))
    let past: Int? = monitor.wait(until: begin) { _ in nil }
    #expect(past == nil)
  }

  @Test func keepsThreadsApart() {
    let monitor = Monitor(0)
    let threads = (0..<4).map { index in
      WorkerThread(name: "t\(index)") { for _ in 0..<2_000 { monitor.withLock { $0 += 1 } } }
    }
    for thread in threads { thread.join() }
    #expect(monitor.withLock { $0 } == 8_000)
  }
}

@Suite struct WakeSignalTests {
  @Test func foldsSignalsAndRemembersOne() {
    let signal = WakeSignal()
    signal.notify()
    signal.notify()
    #expect(signal.wait(until: .now()))
    #expect(!signal.wait(until: .now() + .milliseconds(5)))
  }

  @Test func wakesFromAnotherThread() {
    let (ping, pong) = (WakeSignal(), WakeSignal())
    let thread = WorkerThread(name: "pong") {
      for _ in 0..<100 where ping.wait(until: .now() + .seconds(10)) { pong.notify() }
    }
    var answered = 0
    for _ in 0..<100 {
      ping.notify()
      if pong.wait(until: .now() + .seconds(10)) { answered += 1 }
    }
    thread.join()
    #expect(answered == 100)
  }
}

@Suite struct InstantTests {
  @Test func saturatesInsteadOfTrapping() {
    #expect(Instant.distantFuture + .seconds(1) == .distantFuture)
    #expect(Instant.now() + .seconds(Int64.max) == .distantFuture)
    #expect(Instant.distantFuture - .seconds(1) == .distantFuture)
    #expect(Duration.seconds(Int64.max).inNanoseconds == .max && Duration.seconds(Int64.min).inNanoseconds == .min)
    #expect(Duration.milliseconds(1_500).inMilliseconds == 1_500 && Duration.milliseconds(1_500).inSeconds == 1.5)
  }
}
