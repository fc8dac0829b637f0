import DirectDomain
import GatewayDomain
import GatewayStore
import Postgres
import Runtime
import Synchronization
import Testing
import Values

@testable import Archive

@Suite("Archive of the gateway", .needsDatabase)
struct GatewayArchiveTests {
  @Test func `finished and delivered payments move with their states, and are read as before`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let user = UniqueID(high: 1, low: 77)
        var paid: [UniqueID] = []
        for number in 1...3 {
          let request = try GatewayDatabase.request(
            order: Int64(number), user: user, others: #","external_id":"mine\#(number)","metadata":{"a":"b"}"#)
          paid.append(try await intake.take(request).paymentID)
        }
        let open = try await intake.take(try GatewayDatabase.request(user: user)).paymentID
        let unsent = try await intake.take(try GatewayDatabase.request(user: user)).paymentID
        let connection = try database.connect()
        // All but one are published.
        try connection.run(
          Command(Statement("DELETE FROM event WHERE key <> $1"), [.text(unsent.description)]))
        _ = try database.take(
          paid.flatMap {
            [GatewayDatabase.result($0, 2, .processing), GatewayDatabase.result($0, 3, .rejected, .bankDeclined)]
          } + [GatewayDatabase.result(unsent, 2, .rejected, .cancelled), GatewayDatabase.result(open, 2, .processing)])
        let before = try await database.seen(paid + [open, unsent], user)

        #expect(try database.archive(olderThan: .seconds(3_600)) == 0)
        #expect(try database.archive() == 3)
        #expect(try database.archive() == 0)
        #expect(try connection.int("SELECT count(*) FROM payment") == 2)
        #expect(try connection.int("SELECT count(*) FROM payment_state") == 4)
        #expect(try connection.int("SELECT count(*) FROM payment_archive") == 3)
        #expect(try connection.int("SELECT count(*) FROM payment_state_archive") == 9)
        let month = try connection.run(
          Command(Statement("SELECT DISTINCT tableoid::regclass::text AS name FROM payment_archive"))
        ).only.text(0)
        #expect(month == "payment_archive_" + Timestamp.now().description.prefix(7).filter(\.isNumber))
        #expect(try await database.seen(paid + [open, unsent], user) == before)

        // A result that comes again finds its payment, and so does one that contradicts it.
        let overtaken = GatewayDatabase.result(paid[0], 2, .processing)
        #expect(
          try database.take([
            overtaken, GatewayDatabase.result(paid[1], 4, .completed), GatewayDatabase.result(.random(), 2, .completed),
          ]) == [.late, .contradicted, .notOurs])
        #expect(try await database.seen(paid + [open, unsent], user) == before)
        #expect(try connection.int("SELECT count(*) FROM payment_state") == 4)
        // What was overtaken completes the history all the same.
        try connection.script("DELETE FROM payment_state_archive WHERE version = 2")
        #expect(try database.take([overtaken]) == [.late])
        let history = try await database.reader.history(paid[0], deadline: .now() + .seconds(30))
        #expect(history.map(\.version) == [1, 2, 3])
      }
    }
  }

  /// The page of a list has live and archived payments in the order of their ids, however small it is.
  @Test func `lists merge live and archived payments`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        var ids: [UniqueID] = []
        for _ in 1...9 { ids.append(try await intake.take(try GatewayDatabase.request()).paymentID) }
        try database.connect().script("DELETE FROM event")
        _ = try database.take(
          ids.enumerated().filter { $0.offset % 3 != 1 }.map { GatewayDatabase.result($0.element, 2, .completed) })
        #expect(try database.archive() == 6)
        var filter = PaymentFilter()
        filter.limit = 2
        var listed: [UniqueID] = []
        repeat {
          let page = try await database.reader.list(filter, deadline: .now() + .seconds(30))
          listed += page.payments.map(\.id)
          filter.after = page.next
        } while filter.after != nil
        #expect(listed == ids.sorted().reversed())
        filter = PaymentFilter()
        filter.state = .created
        #expect(try await database.reader.list(filter, deadline: .now() + .seconds(30)).payments.count == 3)
      }
    }
  }

  /// A result and the mover want the same payment, both orders.
  @Test func `a result that waits for the mover finds the payment in the archive`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let id = try await intake.take(try GatewayDatabase.request()).paymentID
        let connection = try database.connect()
        try connection.script("DELETE FROM event")
        _ = try database.take([GatewayDatabase.result(id, 2, .completed)])
        // The result first: the mover passes the payment over.
        let rival = try database.connect()
        try rival.run([.begin, Command(Statement("SELECT id FROM payment FOR NO KEY UPDATE"))])
        #expect(try database.archive() == 0)
        try rival.run(.rollback)
        // The mover first: the result waits, and then looks again.
        let plan = GatewayArchive.plan(database.tables)
        var walk = ArchiveWalk(plan, olderThan: .seconds(3_600))
        _ = try walk.step(size: 10, on: connection)
        try plan.months.make(database.month, on: connection)
        try connection.run([.begin, plan.move([id])])
        async let result = blocking { try database.take([GatewayDatabase.result(id, 3, .error)]) }
        try await eventually {
          try rival.int(
            "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted"
              + " AND a.query LIKE '%\(database.schema)%FOR NO KEY UPDATE%'") > 0
        }
        try connection.run(.commit)
        #expect(try await result == [.contradicted])
        #expect(try connection.int("SELECT count(*) FROM payment_archive") == 1)
      }
    }
  }

  /// The views of the card gateway's scripts.
  @Test func `scripts of the card gateway see live payments and all`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let card = try await intake.take(try GatewayDatabase.card(amount: 99_999)).paymentID
        _ = try await intake.take(try GatewayDatabase.request())
        let connection = try database.connect()
        try connection.script("DELETE FROM event")
        _ = try database.take([
          GatewayDatabase.result(card, 2, .processing), GatewayDatabase.result(card, 3, .completed),
        ])
        #expect(try database.archive() == 1)
        let rows = try connection.run(
          Command(
            Statement(
              """
              SELECT operation_id, amount::text AS amount, masked_card_number, payment_status, operation_status,
                     operation_id IN (SELECT operation_id FROM actual_payment_information) AS actual,
                     card_holder_name IS NULL AS nameless
              FROM all_payment_information ORDER BY operation_id
              """))
        ).map { row in
          try [row.text(1), row.text(2), row.text(3), row.text(4), "\(row.bool(5))", "\(row.bool(6))"]
        }
        #expect(
          rows == [
            ["999.99", "************4242", "succeed", "COMPLETED", "false", "true"],
            ["19.99", "****4312", "processing", "CREATED", "true", "true"],
          ])
      }
    }
  }

  /// Whatever adds a column to a live table has to add it to its archive and to the view.
  @Test func `an archive has the columns of its live table`() async throws {
    try await GatewayDatabase.with { database in
      let connection = try database.connect()
      for table in ["payment", "payment_state"] {
        let live = try connection.columns(of: table)
        #expect(try connection.columns(of: "\(table)_archive") == live)
        #expect(try connection.columns(of: "all_\(table)") == live)
      }
    }
  }
}

extension Connection {
  /// Names and types of a table's columns, in their order.
  func columns(of table: String) throws -> [String] {
    try run(
      Command(
        Statement(
          """
          SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod) AS line FROM pg_attribute a
          WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
          """), [.text(table)])
    ).map { try $0.text(0) }
  }
}

extension ArchivePlan {
  /// Moves rows within a transaction of the caller's; their months have to be there.
  func move(_ ids: [UniqueID]) -> Command { Command(move, [.uuidArray(ids), .interval(.zero)]) }
}

extension GatewayDatabase {
  /// Archives whatever is finished, a few at a time. - Returns: how many payments were moved.
  func archive(olderThan age: Duration = .zero) throws -> Int {
    let connection = try TestDatabase.open(schema: schema)
    var walk = ArchiveWalk(GatewayArchive.plan(tables), olderThan: age)
    var moved = 0
    while true {
      let batch = try walk.step(size: 2, on: connection)
      moved += batch.moved
      if batch.isOver { return moved }
    }
  }

  /// The present month.
  fileprivate var month: ArchiveMonth {
    ArchiveMonth(
      name: "now", first: .lowest(at: .now() + .seconds(-86_400)), end: .lowest(at: .now() + .seconds(86_400)))
  }

  /// What readers see of payments: each by itself, its history, and the lists.
  fileprivate func seen(_ ids: [UniqueID], _ user: UniqueID) async throws -> [String] {
    let deadline = Instant.now() + .seconds(30)
    let found = try await reader.payments(ids, deadline: deadline)
    var seen = try ids.map { String(decoding: try #require(found[$0]).get().json(), as: UTF8.self) }
    for id in ids { seen.append("\(try await reader.history(id, deadline: deadline))") }
    var (byUser, byOrder, byName, ofState) = (PaymentFilter(), PaymentFilter(), PaymentFilter(), PaymentFilter())
    (byUser.userID, byOrder.orderID, byName.externalID, ofState.state) = (user, 2, "mine2", .rejected)
    for filter in [byUser, byOrder, byName, ofState, PaymentFilter()] {
      let page = try await reader.list(filter, deadline: deadline)
      #expect(page.unreadable.isEmpty)
      seen.append(page.payments.map { "\($0.id) \($0.standing)" }.joined(separator: " "))
    }
    return seen
  }
}
