internal import Logger
public import StandardMessages
internal import Synchronization

/// `grpc.health.v1.Health` (health-checking.md): the application sets statuses, callers check, list and watch them.
/// Usable on any thread.
public final class HealthService: Sendable {
  /// The state of a service, as callers get it.
  public typealias Status = GRPCHealthV1.ServingStatus

  private struct State {
    var statuses: [String: Status] = [:]
    var watchers: [Int: Watcher] = [:]
    var nextWatcher = 0
  }
  private struct Watcher {
    let service: String
    let changes: AsyncStream<Status>.Continuation
  }
  private let state = Mutex(State())

  /// Starts with the whole server, `""`, not serving.
  public init() { state.withLock { $0.statuses[""] = .notServing } }

  /// Sets the status of a service; `""` is the whole server. Those who watch it hear of a change.
  public func set(service: String = "", status: Status) {
    state.withLock { state in
      guard state.statuses[service] != status else { return }
      state.statuses[service] = status
      for watcher in state.watchers.values where watcher.service == service { watcher.changes.yield(status) }
    }
  }

  /// Every service's status becomes NOT_SERVING; call it at a shutdown, before the server drains.
  public func setAllNotServing() {
    for service in state.withLock({ Array($0.statuses.keys) }) { set(service: service, status: .notServing) }
  }

  /// The service to register with a server.
  public var definition: ServiceDefinition {
    ServiceDefinition(
      "grpc.health.v1.Health",
      [
        .unaryInline("/grpc.health.v1.Health/Check") { (request: GRPCHealthV1.HealthCheckRequest, _) in
          guard let status = self.state.withLock({ $0.statuses[request.service] }) else {
            throw GRPCStatus(.notFound, "unknown service")
          }
          return GRPCHealthV1.HealthCheckResponse(status: status)
        },
        .unaryInline("/grpc.health.v1.Health/List") { (_: GRPCHealthV1.HealthListRequest, _) in
          let statuses = self.state.withLock { $0.statuses }
          return GRPCHealthV1.HealthListResponse(
            statuses: statuses.mapValues { GRPCHealthV1.HealthCheckResponse(status: $0) })
        },
        .serverStreaming("/grpc.health.v1.Health/Watch") {
          (
            request: GRPCHealthV1.HealthCheckRequest, context, writer: ResponseWriter<GRPCHealthV1.HealthCheckResponse>
          ) in
          try await self.watch(request.service, context, writer)
        },
      ])
  }

  /// An unknown service is SERVICE_UNKNOWN and stays watched; of changes that come faster than they are read only the
  /// last is kept.
  private func watch(
    _ service: String, _ context: ServerContext, _ writer: ResponseWriter<GRPCHealthV1.HealthCheckResponse>
  ) async throws {
    let (changes, continuation) = AsyncStream.makeStream(of: Status.self, bufferingPolicy: .bufferingNewest(1))
    let id = state.withLock { state in
      state.nextWatcher += 1
      state.watchers[state.nextWatcher] = Watcher(service: service, changes: continuation)
      continuation.yield(state.statuses[service] ?? .serviceUnknown)
      return state.nextWatcher
    }
    defer { state.withLock { _ = $0.watchers.removeValue(forKey: id) } }
    // Yielded values are still delivered after `finish`, so a watcher sees NOT_SERVING before the end.
    context.onDrain { continuation.finish() }
    var last: Status?
    for await status in changes where status != last {
      last = status
      try await writer.write(GRPCHealthV1.HealthCheckResponse(status: status))
    }
    throw GRPCStatus(.unavailable, "the server is shutting down")
  }
}
