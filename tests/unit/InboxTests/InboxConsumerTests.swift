import Inbox
import Kafka
import Logger
import Metrics
import Postgres
import Runtime
import Testing
import Values

/// An inbox on a cluster in memory, with a database that is not there.
@Suite struct InboxConsumerTests {
  private struct Handler: InboxHandler {
    enum Outcome: String, InboxOutcome { case done }

    func sort(_ message: ConsumedMessage) -> InboxSorting<Int64, Outcome> { .work(message.offset) }

    func execute(_ items: [Int64], on connection: Connection) throws(DatabaseError) -> [InboxResult<Outcome>] {
      Issue.record("there is no database")
      return items.map { _ in .done(.done) }
    }
  }

  private let mock: MockCluster
  private let metrics = MetricsRegistry()
  private let quiet = Logger(label: "test", sink: { _ in })

  init() throws {
    mock = try MockCluster(logger: quiet)
    try mock.createTopic("orders", partitions: 2)
    try mock.createTopic("orders.dlq", partitions: 1)
  }

  private func inbox(_ name: String, group: String) throws -> InboxConsumer<Handler> {
    InboxConsumer(
      InboxConfiguration(
        name: name, topic: "orders", group: group, deadLetterTopic: "orders.dlq", batch: 10, parallelism: 2),
      kafka: KafkaConfiguration(brokers: mock.bootstrap, clientID: "test"),
      database: try DatabaseConfiguration(
        dsn: "postgres://u:p@127.0.0.1:1/db?sslmode=disable", applicationName: "test"),
      logger: quiet, metrics: metrics
    ) { _ in Handler() }
  }

  private var soon: Instant { .now() + .seconds(20) }

  private func waits(for condition: () -> Bool) -> Bool {
    let deadline = soon
    let pause = WakeSignal()
    while !condition() {
      if Instant.now() >= deadline { return false }
      pause.wait(until: .now() + .milliseconds(20))
    }
    return true
  }

  @Test func `two groups in one process read the same topic and count apart`() throws {
    let inboxes = [try inbox("first", group: "one"), try inbox("second", group: "two")]
    for inbox in inboxes { try inbox.start() }
    #expect(
      waits {
        metrics.exposition().contains("first_partitions 2") && metrics.exposition().contains("second_partitions 2")
      })
    for inbox in inboxes {
      #expect(inbox.isConnected && !inbox.hasDatabase)
      let began = Instant.now()
      inbox.stop(until: soon)
      #expect(Instant.now() < began + .seconds(10))
    }
    #expect(metrics.exposition().contains(#"second_messages_total{outcome="dead_lettered"} 0"#))
  }

  @Test func `stop may come twice and before start`() throws {
    let inbox = try inbox("inbox", group: "one")
    inbox.stop(until: soon)
    inbox.stop(until: soon)
    try inbox.start()
    #expect(!inbox.isConnected && inbox.consumingObstacle == nil)
    inbox.stop(until: soon)
  }

  @Test func `a handler that cannot be made starts nothing`() throws {
    struct Failure: Error {}
    let inbox = InboxConsumer<Handler>(
      InboxConfiguration(name: "inbox", topic: "orders", group: "one", deadLetterTopic: "orders.dlq"),
      kafka: KafkaConfiguration(brokers: mock.bootstrap, clientID: "test"),
      database: try DatabaseConfiguration(dsn: "postgres://u:p@127.0.0.1:1/db", applicationName: "test"), logger: quiet,
      metrics: metrics
    ) { _ in throw Failure() }
    #expect(throws: Failure.self) { try inbox.start() }
    inbox.stop(until: soon)
  }
}
