public import Runtime
internal import Synchronization
public import Values

/// A part of a program and when it starts.
public struct ServiceEntry: Sendable {
  let part: any ServicePart
  let isLate: Bool

  /// A part that starts after those before it in the list and stops before them.
  public static func part(_ part: any ServicePart) -> ServiceEntry { ServiceEntry(part: part, isLate: false) }

  /// A part that waits long for something that the parts after it in the list do not need: it starts after all of them,
  /// and stops where it stands in the list.
  public static func late(_ part: any ServicePart) -> ServiceEntry { ServiceEntry(part: part, isLate: true) }

  /// A part made of two closures, which hold to the contract of `ServicePart`.
  public static func part(
    start: @escaping @Sendable () throws -> Void = {}, stop: @escaping @Sendable (_ deadline: Instant) -> Void
  ) -> ServiceEntry {
    .part(ClosurePart(begin: start, end: stop))
  }

  private struct ClosurePart: ServicePart {
    let begin: @Sendable () throws -> Void
    let end: @Sendable (Instant) -> Void

    func start() throws { try begin() }
    func stop(until deadline: Instant) { end(deadline) }
  }
}

/// The parts of a program: starts them in order and stops them in reverse, also when one of them throws.
///
/// Parts that were not started are stopped too, since some work from the moment they are made.
public final class ServiceStack: Sendable {
  private let parts: [any ServicePart]
  private let core: Mutex<ServiceStackCore>
  private let stopFlag: StopFlag

  /// - Parameter stop: when it is set, no further part starts.
  public init(_ entries: [ServiceEntry], stop: StopFlag) {
    parts = entries.map(\.part)
    core = Mutex(ServiceStackCore(late: entries.map(\.isLate)))
    stopFlag = stop
  }

  /// Starts the parts; on one thread, once.
  /// - Parameter grace: how long parts may take to end when one does not start.
  /// - Throws: what a part throws, once all parts are stopped.
  public func start(grace: Duration) throws {
    while !stopFlag.isStopped, let index = core.withLock({ $0.nextToStart() }) {
      do {
        try parts[index].start()
      } catch {
        stop(until: .now() + grace)
        throw error
      }
    }
  }

  /// Stops the parts, once `start` has returned. Harmless when called again.
  public func stop(until deadline: Instant) {
    while let index = core.withLock({ $0.nextToStop() }) { parts[index].stop(until: deadline) }
  }
}

/// Which part starts or stops next. Pure.
struct ServiceStackCore {
  /// The parts' places in the list, in the order in which they start.
  private var toStart: [Int]
  private var toStop: [Int]

  /// - Parameter late: for each part of the list whether it starts after those that are not late.
  init(late: [Bool]) {
    toStart = late.indices.filter { !late[$0] } + late.indices.filter { late[$0] }
    toStop = Array(late.indices)
  }

  /// The part to start now; nil when all have been started, and from the first stop on.
  mutating func nextToStart() -> Int? { toStart.isEmpty ? nil : toStart.removeFirst() }

  /// The part to stop now: from the end of the list to its beginning, each once.
  mutating func nextToStop() -> Int? {
    toStart = []
    return toStop.popLast()
  }
}
