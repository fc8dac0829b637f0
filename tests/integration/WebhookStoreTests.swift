import Cards
import DirectDomain
import GatewayDomain
import GatewaySchema
import GatewayStore
import Migrator
import Postgres
import Testing
import Values

@Suite("Webhooks in their tables", .needsDatabase)
struct WebhookStoreTests {
  private static let secrets = WebhookSecrets(GatewayDatabase.requestKeys)
  private static let owner = UniqueID(high: 5, low: 5)

  private static func endpoint(
    _ database: GatewayDatabase, _ events: String = "*", url: String = "https://a.example/"
  ) throws -> UniqueID {
    let events = events.split(separator: ",").map { "\"\($0)\"" }.joined(separator: ",")
    let request = try WebhookEndpointRequest(
      Array(#"{"url":"\#(url)","events":[\#(events)]}"#.utf8), rules: WebhookRules(allowsPrivate: false))
    let id = UniqueID.ordered(at: .now())
    guard
      case .new = try WebhookEndpointStore(database.tables).add(
        id, request, secrets.newOrigin(), on: database.connect())
    else { throw GatewayDatabase.Unexpected() }
    return id
  }

  private static func due(_ database: GatewayDatabase, _ endpoint: UniqueID) throws -> [DueDelivery] {
    try WebhookQueue(database.tables).due([(endpoint, nil, 1_000)], on: database.connect())
  }

  private static func ended(
    _ due: DueDelivery, _ next: EndedAttempt.Next, status: Int? = 200, answer: String = "ok"
  ) -> EndedAttempt {
    EndedAttempt(
      of: due, at: .now(), status: status, error: status == nil ? "no connection" : nil, answer: Array(answer.utf8),
      next: next)
  }

  private static func record(
    _ database: GatewayDatabase, _ ended: [EndedAttempt], _ health: EndpointHealth = EndpointHealth(),
    patience: Duration = .seconds(86_400)
  ) throws -> Set<UniqueID> {
    try WebhookQueue(database.tables).record(ended, health, patience: patience, on: database.connect())
  }

  @Test func `what is new in the history is told to each endpoint that wants it, once`() async throws {
    try await GatewayDatabase.with { database in
      let all = try Self.endpoint(database)
      let ends = try Self.endpoint(database, "payment.completed,payment.rejected")
      let refunds = try Self.endpoint(database, "refund.*")
      try await database.withIntake { intake in
        let id = try await intake.take(try GatewayDatabase.request(), "k").paymentID
        _ = try await intake.take(try GatewayDatabase.request(), "k")
        let results = [GatewayDatabase.result(id, 3, .completed), GatewayDatabase.result(id, 2, .processing)]
        #expect(try database.take(results) == [.applied, .late])
        // Again, and from another installation: nothing new.
        _ = try database.take(results + [GatewayDatabase.result(.random(), 2, .processing)])
        let told = try Self.due(database, all)
        #expect(told.map(\.event.type).sorted() == ["payment.completed", "payment.created", "payment.processing"])
        #expect(told.allSatisfy { $0.event.paymentID == id && $0.attempts == 0 })
        #expect(try told.allSatisfy { try $0.payment?.get().id == id })
        let ended = try Self.due(database, ends)
        #expect(ended.map(\.event.type) == ["payment.completed"])
        #expect(Set((told + ended).map(\.id)).count == 4)
        // Refunds of payments that are here, once each.
        let refund = UniqueID.random()
        let back = { (payment: UniqueID) in
          PaymentResult(
            paymentID: refund, version: 2, state: .processing, reason: nil, occurredAt: FixedMoment.value,
            refundOf: payment)
        }
        _ = try database.take([back(id), back(id)])
        _ = try database.take([back(id), back(.random())])
        let refunded = try Self.due(database, refunds)
        #expect(refunded.map(\.event.refundID) == [refund] && refunded[0].event.type == "refund.processing")
        #expect(try Self.record(database, [Self.ended(refunded[0], .delivered)]).isEmpty)
        _ = try database.take([back(id)])
        #expect(try Self.due(database, refunds).isEmpty)
        let reader = WebhookReader(database.tables)
        #expect(try reader.deliveries(ofPayment: id, on: database.connect()).count == 3 + 1 + 2)
      }
    }
  }

  private enum FixedMoment { static let value = Timestamp("2026-11-26T12:00:00Z")! }

  @Test func `a disabled or deleted endpoint is told of nothing`() async throws {
    try await GatewayDatabase.with { database in
      let (disabled, deleted) = (try Self.endpoint(database), try Self.endpoint(database))
      try await database.withIntake { intake in
        _ = try await intake.take(try GatewayDatabase.request())
        let store = WebhookEndpointStore(database.tables)
        let off = try WebhookEndpointChange(
          Array(#"{"enabled":false}"#.utf8), rules: WebhookRules(allowsPrivate: false))
        #expect(try store.change(disabled, off, on: database.connect())?.endpoint.state != .enabled)
        #expect(try store.delete(deleted, on: database.connect()))
        #expect(try !store.delete(deleted, on: database.connect()))
        #expect(try store.endpoint(deleted, on: database.connect()) == nil)
        _ = try await intake.take(try GatewayDatabase.request())
        let queue = WebhookQueue(database.tables)
        let both = [disabled, deleted]
        // What is under way stays until it has ended.
        let under = try both.flatMap { try Self.due(database, $0) }
        #expect(under.count == 2)
        #expect(try queue.close(both, but: under.map(\.id), limit: 10, on: database.connect()) == 0)
        #expect(try Self.record(database, [Self.ended(under[0], .retry(after: .zero), status: 500)]).isEmpty)
        #expect(try queue.close(both, but: [], limit: 10, on: database.connect()) == 2)
        for (endpoint, failure) in [(disabled, WebhookDelivery.Failure.disabled), (deleted, .deleted)] {
          let shown = try WebhookReader(database.tables).list(
            try WebhookDeliveryFilter([]), of: endpoint, on: database.connect())
          guard case .failed(failure, _) = shown.first?.outcome, shown.count == 1 else {
            Issue.record("\(shown)")
            return
          }
        }
        let on = try WebhookEndpointChange(
          Array(#"{"enabled":true}"#.utf8), rules: WebhookRules(allowsPrivate: false))
        #expect(try store.change(disabled, on, on: database.connect())?.endpoint.state == .enabled)
        #expect(
          try WebhookReader(database.tables).redeliverFailed(of: disabled, since: nil, on: database.connect()) == 1)
        #expect(
          try WebhookReader(database.tables).redeliverFailed(of: deleted, since: nil, on: database.connect()) == 0)
        #expect(try Self.due(database, disabled).count == 1)
        // An enabled endpoint keeps what waits for it.
        #expect(try queue.close([disabled], but: [], limit: 10, on: database.connect()) == 0)
        // A deleted one is forgotten some minutes later.
        let connection = try database.connect()
        let count = { try connection.int("SELECT count(*) FROM webhook_endpoint") }
        _ = try queue.close([deleted], but: [], limit: 10, on: connection)
        #expect(try count() == 2)
        try connection.script("UPDATE webhook_endpoint SET since = now() - interval '6 minutes'")
        _ = try queue.close([disabled, deleted], but: [], limit: 10, on: connection)
        #expect(try count() == 1)
      }
    }
  }

  @Test func `an endpoint is told of all that commits after it was made`() async throws {
    try await GatewayDatabase.with { database in
      let (writer, reader) = (try database.connect(), try database.connect())
      let store = WebhookEndpointStore(database.tables)
      #expect(try store.writers(on: reader).isEmpty)
      // A payment's transaction that has looked at the endpoints before there is one.
      try writer.script("BEGIN; CREATE TEMP TABLE written (); SELECT count(*) FROM \(database.schema).webhook_endpoint")
      _ = try Self.endpoint(database)
      let under = try store.writers(on: reader)
      #expect(under.count == 1)
      #expect(try store.writers(among: under, on: reader) == under)
      try writer.script("COMMIT")
      #expect(try store.writers(among: under, on: reader).isEmpty)
      // What ends refunds alone has an id before it reads the endpoints: it waits here for whoever has them locked.
      let (locker, looker) = (try database.connect(), try database.connect())
      try locker.script("BEGIN; LOCK TABLE \(database.schema).webhook_endpoint IN ACCESS EXCLUSIVE MODE")
      async let taken = Task.detached {
        try database.take([
          PaymentResult(
            paymentID: .random(), version: 2, state: .processing, reason: nil, occurredAt: FixedMoment.value,
            refundOf: .random())
        ])
      }.value
      let waiting = """
        SELECT count(*) FROM pg_locks l JOIN pg_locks x USING (pid)
        WHERE l.locktype = 'relation' AND NOT l.granted AND x.locktype = 'transactionid' AND x.granted
          AND l.relation = '\(database.schema).webhook_endpoint'::regclass
        """
      let deadline = Instant.now() + .seconds(20)
      while try looker.int(waiting) == 0, Instant.now() < deadline { try await Task.sleep(for: .milliseconds(5)) }
      #expect(try looker.int(waiting) == 1)
      try locker.script("COMMIT")
      _ = try await taken
      // Who only reads tells nobody of anything.
      try writer.script("BEGIN; SELECT count(*) FROM \(database.schema).webhook_endpoint")
      #expect(try store.writers(on: reader).isEmpty)
      try writer.script("COMMIT")
    }
  }

  @Test func `what ends is kept with its attempts, once`() async throws {
    try await GatewayDatabase.with { database in
      let endpoint = try Self.endpoint(database)
      try await database.withIntake { intake in
        for _ in 1...3 { _ = try await intake.take(try GatewayDatabase.request()) }
        let due = try Self.due(database, endpoint)
        #expect(due.count == 3)
        let attempts = [
          Self.ended(due[0], .delivered), Self.ended(due[1], .retry(after: .seconds(3_600)), status: 500, answer: ""),
          Self.ended(due[2], .failed(.exhausted), status: nil, answer: ""),
        ]
        _ = try Self.record(database, attempts)
        // Nobody knows whether it was recorded: again, and by another gateway that had it, too.
        _ = try Self.record(database, attempts)
        let connection = try database.connect()
        #expect(try connection.int("SELECT count(*) FROM webhook_attempt") == 3)
        #expect(try connection.int("SELECT count(*) FROM webhook_delivery") == 2)
        #expect(try Self.due(database, endpoint).isEmpty)
        let reader = WebhookReader(database.tables)
        let shown = try due.map { try #require(try reader.delivery($0.id, on: connection)) }
        #expect(shown.map(\.outcome.word) == ["delivered", "pending", "failed"])
        #expect(shown.map(\.attempts) == [1, 1, 1])
        let first = try reader.attempts(of: due[0].id, on: connection)
        #expect(first.map(\.status) == [200] && first.map(\.answer) == [Array("ok".utf8)])
        #expect(try reader.attempts(of: due[2].id, on: connection).map(\.error) == ["no connection"])
        for status in ["pending", "delivered", "failed"] {
          let filter = try WebhookDeliveryFilter([("status", status)])
          #expect(try reader.list(filter, of: endpoint, on: connection).map(\.outcome.word) == [status])
        }
        // All of the schedule again, under the same id.
        for delivery in due { #expect(try reader.redeliver(delivery.id, on: connection)) }
        let again = try Self.due(database, endpoint)
        #expect(Set(again.map(\.id)) == Set(due.map(\.id)))
        #expect(again.allSatisfy { $0.attempts == 1 && $0.spent == 1 })
        #expect(try !reader.redeliver(.random(), on: connection))
      }
    }
  }

  @Test func `what is asked for again while it is under way is sent again`() async throws {
    try await GatewayDatabase.with { database in
      let endpoint = try Self.endpoint(database)
      try await database.withIntake { intake in
        for _ in 1...2 { _ = try await intake.take(try GatewayDatabase.request()) }
        _ = try Self.record(database, Self.due(database, endpoint).map { Self.ended($0, .retry(after: .zero)) })
        let due = try Self.due(database, endpoint)
        #expect(due.map(\.attempts) == [1, 1] && due.map(\.spent) == [0, 0])
        let reader = WebhookReader(database.tables)
        for delivery in due { #expect(try reader.redeliver(delivery.id, on: database.connect())) }
        // The last attempt of the schedule fails, and the other one is taken: both are kept, and none is the end.
        let attempts = [Self.ended(due[0], .failed(.exhausted), status: 500), Self.ended(due[1], .delivered)]
        for _ in 1...2 { _ = try Self.record(database, attempts) }
        let again = try Self.due(database, endpoint)
        #expect(Set(again.map(\.id)) == Set(due.map(\.id)))
        #expect(again.map(\.attempts) == [2, 2] && again.map(\.spent) == [2, 2])
        #expect(try database.connect().int("SELECT count(*) FROM webhook_attempt") == 4)
        #expect(try database.connect().int("SELECT count(*) FROM webhook_delivery") == 0)
      }
    }
  }

  @Test func `what is nowhere is shown as failed without an attempt, on a day without a table, too`() async throws {
    try await GatewayDatabase.with { database in
      let endpoint = try Self.endpoint(database)
      try await database.withIntake { intake in
        for _ in 1...2 { _ = try await intake.take(try GatewayDatabase.request()) }
        let connection = try database.connect()
        try connection.script("DELETE FROM payment_state; DELETE FROM payment")
        let due = try Self.due(database, endpoint)
        #expect(due.count == 2 && due.allSatisfy { $0.payment == nil })
        let queue = WebhookQueue(database.tables)
        #expect(try queue.giveUp([due[0]], .missing, on: connection) == 1)
        #expect(try queue.giveUp(due, .missing, on: connection) == 1)
        #expect(try Self.due(database, endpoint).isEmpty)
        #expect(try connection.int("SELECT count(*) FROM webhook_attempt") == 0)
        let reader = WebhookReader(database.tables)
        let shown = try reader.list(try WebhookDeliveryFilter([("status", "failed")]), of: endpoint, on: connection)
        #expect(Set(shown.map(\.id)) == Set(due.map(\.id)))
        for each in shown {
          guard case .failed(.missing, _) = each.outcome else {
            Issue.record("\(each)")
            continue
          }
        }
      }
    }
  }

  @Test func `the rule of failures changes where days have tables, and back`() async throws {
    try await GatewayDatabase.with { database in
      let endpoint = try Self.endpoint(database)
      try await database.withIntake { intake in
        _ = try await intake.take(try GatewayDatabase.request())
        let due = try Self.due(database, endpoint)
        let connection = try database.connect()
        #expect(try WebhookQueue(database.tables).giveUp(due, .missing, on: connection) == 1)
        let line = try #require(try GatewaySchema.lines(schema: database.schema, outbox: database.outbox).first)
        let migrator = try Migrator(configuration: TestDatabase.configuration(), line: line, logger: TestDatabase.quiet)
        // Those that came after it, and the rule's own.
        let later = Int(GatewaySchema.requiredVersion) - 10
        #expect(try migrator.down(later).last?.version == 11)
        #expect(
          try connection.int("SELECT count(*) FROM webhook_delivery WHERE failure = 'attempts_exhausted'") == 1)
        let missing = "UPDATE webhook_delivery SET failure = 'payment_missing'"
        #expect(throws: DatabaseError.self) { try connection.script(missing) }
        #expect(try migrator.up().map(\.version).first == 11)
        try connection.script(missing)
      }
    }
  }

  @Test func `an endpoint that fails for too long is disabled, and one that is gone`() async throws {
    try await GatewayDatabase.with { database in
      let (endpoint, gone) = (try Self.endpoint(database), try Self.endpoint(database))
      try await database.withIntake { intake in
        _ = try await intake.take(try GatewayDatabase.request())
        let store = WebhookEndpointStore(database.tables)
        let look = { try #require(try store.endpoint($0, on: database.connect())).endpoint }
        let due = try Self.due(database, endpoint)[0]
        var failed = EndpointHealth()
        failed.failed = [endpoint]
        let attempt = [Self.ended(due, .retry(after: .zero), status: 500)]
        #expect(try Self.record(database, attempt, failed).isEmpty)
        #expect(try look(endpoint).failingSince != nil)
        var recovered = EndpointHealth()
        recovered.recovered = [endpoint]
        _ = try Self.record(database, attempt, recovered)
        #expect(try look(endpoint).failingSince == nil)
        _ = try Self.record(database, attempt, failed)
        try database.connect().script("UPDATE webhook_endpoint SET failing_since = now() - interval '25 hours'")
        #expect(try Self.record(database, attempt, failed) == [endpoint])
        guard case .disabled(.failing, _) = try look(endpoint).state else {
          Issue.record("it is enabled")
          return
        }
        var left = EndpointHealth()
        // The answer of a URL that was changed meanwhile says nothing of the new one.
        left.gone = [gone: "https://old.example/"]
        #expect(try Self.record(database, attempt, left).isEmpty)
        #expect(try look(gone).state == .enabled)
        left.gone = [gone: "https://a.example/"]
        #expect(try Self.record(database, attempt, left) == [gone])
        guard case .disabled(.gone, _) = try look(gone).state else {
          Issue.record("it is enabled")
          return
        }
      }
    }
  }

  @Test func `one owner has an endpoint, until its lease is over or it lets go`() async throws {
    try await GatewayDatabase.with { database in
      let endpoint = try Self.endpoint(database)
      let queue = WebhookQueue(database.tables)
      let lease = { (owner: UniqueID, duration: Duration) in
        try queue.lease(owner, keys: Self.secrets.keyIDs, for: duration, on: database.connect()).endpoints.map(
          \.endpoint.id)
      }
      let other = UniqueID(high: 6, low: 6)
      #expect(try lease(Self.owner, .seconds(600)) == [endpoint])
      #expect(try lease(other, .seconds(600)).isEmpty)
      #expect(try lease(Self.owner, .zero) == [endpoint])
      #expect(try lease(other, .seconds(600)) == [endpoint])
      #expect(try lease(Self.owner, .seconds(600)).isEmpty)
      try queue.release(other, on: database.connect())
      #expect(try lease(Self.owner, .seconds(600)) == [endpoint])
      let looked = try queue.lease(other, keys: Self.secrets.keyIDs, for: .zero, on: database.connect())
      #expect(looked.enabled == [endpoint] && looked.unknown.isEmpty)
      #expect(try queue.oldest(of: [endpoint], on: database.connect()) == 0)
    }
  }

  @Test func `a rotation that comes again changes nothing`() async throws {
    try await GatewayDatabase.with { database in
      let endpoint = try Self.endpoint(database)
      let store = WebhookEndpointStore(database.tables)
      let rotate = { (number: UInt64, grace: Duration) in
        let origin = Self.secrets.newOrigin(of: UniqueID(high: 1, low: number))
        return try #require(try store.rotate(endpoint, origin, grace: grace, on: database.connect()))
      }
      let first = try #require(try store.endpoint(endpoint, on: database.connect()))
      let once = try rotate(1, .seconds(600))
      #expect(once.origin != first.origin && once.oldOrigin == first.origin)
      #expect(try rotate(1, .seconds(600)) == once)
      let twice = try rotate(2, .zero)
      #expect(twice.origin != once.origin && twice.oldOrigin == nil)
      // The one before it comes late: a secret that signs no more stays so.
      #expect(try rotate(1, .seconds(600)) == twice)
    }
  }

  @Test func `an endpoint is left to those who have its key`() async throws {
    try await GatewayDatabase.with { database in
      let endpoint = try Self.endpoint(database)
      let queue = WebhookQueue(database.tables)
      let lacks = try queue.lease(Self.owner, keys: ["other"], for: .seconds(600), on: database.connect())
      #expect(lacks.endpoints.isEmpty && lacks.unknown == [endpoint] && lacks.enabled == [endpoint])
      let other = UniqueID(high: 6, low: 6)
      let has = try queue.lease(other, keys: Self.secrets.keyIDs, for: .seconds(600), on: database.connect())
      #expect(has.endpoints.map(\.endpoint.id) == [endpoint] && has.unknown.isEmpty)
      // Whoever finds a deleted one shows what waits for it as failed.
      #expect(try WebhookEndpointStore(database.tables).delete(endpoint, on: database.connect()))
      try queue.release(other, on: database.connect())
      let left = try queue.lease(Self.owner, keys: ["other"], for: .seconds(600), on: database.connect())
      #expect(left.endpoints.map(\.endpoint.id) == [endpoint])
    }
  }

  @Test func `an archived payment is still told of`() async throws {
    try await GatewayDatabase.with { database in
      let endpoint = try Self.endpoint(database)
      try await database.withIntake { intake in
        let id = try await intake.take(try GatewayDatabase.request()).paymentID
        try database.connect().script(
          """
          CREATE TABLE month PARTITION OF payment_archive DEFAULT;
          WITH gone AS (DELETE FROM payment RETURNING *) INSERT INTO payment_archive SELECT * FROM gone
          """)
        let due = try Self.due(database, endpoint)
        #expect(try due.map { try $0.payment?.get().id } == [id])
        try database.connect().script("DELETE FROM payment_archive")
        #expect(try Self.due(database, endpoint).map { $0.payment == nil } == [true])
      }
    }
  }
}
