internal import Admin
internal import GRPC
internal import Runtime
internal import StandardMessages
internal import Synchronization
internal import Values

/// Tells gRPC's health service whether the server can do its work: twice a second while the server runs, and that it
/// takes no more calls from the moment it stops.
final class ServerHealth: ServicePart {
  private static let period = Duration.milliseconds(500)

  private let service: HealthService
  private let isAccepting: @Sendable () -> Bool
  private let needed: Set<String>
  private let checks: @Sendable () -> [ReadinessReport.Check]
  private let job = Mutex<PeriodicJob?>(nil)

  /// - Parameters:
  ///   - isAccepting: whether new calls are taken.
  ///   - needed: the checks without which no call can be answered.
  ///   - checks: the state of each dependency.
  init(
    _ service: HealthService, isAccepting: @escaping @Sendable () -> Bool, needed: Set<String>,
    checks: @escaping @Sendable () -> [ReadinessReport.Check]
  ) {
    self.service = service
    self.isAccepting = isAccepting
    self.needed = needed
    self.checks = checks
  }

  func start() {
    let job = PeriodicJob(name: "health") { [self] in
      let report = ReadinessReport(checks(), isServing: isAccepting(), neededForAPI: needed)
      tell(isServing: report.forAPI?.isReady ?? false, report.checks)
      return Self.period
    }
    self.job.withLock { $0 = job }
    job.start()
  }

  func stop(until deadline: Instant) {
    job.withLock { $0 }?.stop(until: deadline)
    tell(isServing: false, [])
  }

  /// What the server serves is told by whether calls can be answered; what it depends on is told by its own name. The
  /// broker does not count: payments can be settled while it is away, and their events wait in the outbox.
  private func tell(isServing: Bool, _ checks: [ReadinessReport.Check]) {
    for check in checks { service.set(service: check.name, status: check.isReady ? .serving : .notServing) }
    for name in ["", "payments.v1.PaymentService", "paymentsapi.PaymentsApi"] {
      service.set(service: name, status: isServing ? .serving : .notServing)
    }
  }
}
