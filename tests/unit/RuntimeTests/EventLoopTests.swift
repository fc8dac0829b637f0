import Runtime
import Synchronization
import Testing
import Values

struct EventLoopTests {
  private func withLoop<Result>(_ body: (EventLoop) async throws -> Result) async rethrows -> Result {
    let loop = EventLoop(name: "test-loop")
    loop.start()
    defer {
      loop.stop()
      loop.join()
    }
    return try await body(loop)
  }

  @Test func executedWorkRunsOnTheLoopInOrder() async {
    await withLoop { loop in
      let seen = Monitor<[Int]>([])
      for number in 0..<1_000 { loop.execute { seen.update { $0.append(loop.isCurrent ? number : -1) } } }
      let all = seen.wait(until: .now() + .seconds(10)) { $0.count == 1_000 ? $0 : nil }
      #expect(all == Array(0..<1_000))
      #expect(!loop.isCurrent)
    }
  }

  @Test func aTaskPrefersTheLoopAndComesBackToIt() async {
    await withLoop { loop in
      let task = Task(executorPreference: loop) {
        var onLoop = [loop.isCurrent]
        await Task.yield()
        onLoop.append(loop.isCurrent)
        let detached = await Task.detached { loop.isCurrent }.value
        return onLoop + [loop.isCurrent, !detached]
      }
      let all = await task.value
      #expect(all == [true, true, true, true])
    }
  }

  @Test func timersFireInOrderAndNotWhenCancelled() async {
    final class Target: EventLoopTimerTarget, Sendable {
      let fired = Monitor<[UInt64]>([])
      func timerFired(_ token: UInt64) { fired.update { $0.append(token) } }
    }
    await withLoop { loop in
      let target = Target()
      loop.execute {
        let start = Instant.now()
        _ = loop.schedule(at: start + .milliseconds(30), target, token: 3)
        let second = loop.schedule(at: start + .milliseconds(20), target, token: 2)
        _ = loop.schedule(at: start + .milliseconds(10), target, token: 1)
        loop.cancel(second)
        loop.cancel(second)
      }
      let fired = target.fired.wait(until: .now() + .seconds(10)) { $0.count == 2 ? $0 : nil }
      #expect(fired == [1, 3])
    }
  }

  @Test func aTaskStillFinishesWhenTheLoopHasEnded() async {
    let loop = EventLoop(name: "ended")
    loop.start()
    loop.stop()
    loop.join()
    let value = await Task(executorPreference: loop) { 7 }.value
    #expect(value == 7)
  }
}
