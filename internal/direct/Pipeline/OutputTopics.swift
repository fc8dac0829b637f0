public import ClientSettings
internal import Logger
public import Runtime
public import Service
internal import Settings
public import Values

/// Sees to topics that a program only writes to, beside its work: where one cannot be made, what is to be told there
/// waits, and nothing else does.
public final class OutputTopics: ServicePart {
  /// How long the next parts wait, so that readers of a program that is ready find its topics.
  private static let patience = Duration.seconds(3)

  private let topics: [String]
  private let kafka: KafkaSettings
  private let context: ProgramContext
  private let thread = Monitor<WorkerThread?>(nil)
  private let isDone = Monitor(false)

  /// - Parameter topics: may be none.
  public init(_ topics: [String], kafka: KafkaSettings, _ context: ProgramContext) {
    self.topics = topics
    self.kafka = kafka
    self.context = context
  }

  /// Looks the topics up and makes those that are absent; goes on after a while when that takes longer.
  public func start() {
    if topics.isEmpty { return }
    thread.update { $0 = WorkerThread(name: "output-topics") { [self] in look() } }
    _ = isDone.wait(until: .now() + Self.patience) { $0 ? true : nil }
  }

  /// Waits until nobody looks for them any more, which the program's stop flag ends.
  public func stop(until deadline: Instant) { thread.update { $0 }?.join() }

  private func look() {
    defer { isDone.update { $0 = true } }
    do {
      _ = try kafka.waitForTopics(
        topics, program: context.program.name, logger: context.logger, stop: context.stop)
    } catch {
      context.logger.error(
        "topics cannot be made; what is to be told there waits for them",
        ["topics": .string(topics.joined(separator: ", ")), "error": .error(error)])
    }
  }
}
