import Archive
import Foundation
import Migrator
import Postgres
import SagaDomain
import SagaStore
import Testing
import Values

/// Parts and archive of the saga's payments: where a payment lies makes no difference to anybody.
@Suite("Archive of the saga's payments", .needsDatabase)
struct PaymentArchiveTests {
  /// Orders 1 to 6; 1 and 2 are COMPLETED, 3 is FAILED, and the events of all but 2 are published.
  private func settled(_ database: PaymentDatabase) throws {
    try database.create(orders: 1...6)
    let connection = try database.connect()
    let commands = try [(Int64(1), FinalStatus.completed), (2, .completed), (3, .failed)].map {
      try SettleCommand(orderID: $0.0, to: $0.1, reason: "as asked")
    }
    for outcome in try database.transactions.settle(commands, on: connection) { _ = try outcome.get() }
    try connection.script("DELETE FROM event WHERE key <> '2'")
  }

  @Test func `what is final and published is archived, and found as before`() async throws {
    try await PaymentDatabase.with { database in
      try settled(database)
      let connection = try database.connect()
      let before = try seen(database, on: connection)
      #expect(try database.archive(olderThan: .seconds(3_600)) == 0)
      #expect(try database.archive() == 2)
      #expect(try connection.numbers("SELECT order_id FROM payment_archive ORDER BY 1") == [1, 3])
      #expect(try connection.numbers("SELECT order_id FROM payment ORDER BY 1") == [2, 4, 5, 6])
      #expect(try seen(database, on: connection) == before)
      #expect(try database.archive() == 0)
      // Settling again is answered as before, and changes nothing.
      let commands = try [(Int64(1), FinalStatus.completed), (1, .failed), (3, .failed), (4, .completed), (9, .failed)]
        .map { try SettleCommand(orderID: $0.0, to: $0.1, reason: "again") }
      let outcomes = try database.transactions.settle(commands, on: connection)
      #expect(try outcomes[0].get().reason == "as asked")
      #expect(throws: PaymentError.self) { try outcomes[1].get() }
      #expect(try outcomes[2].get().status == .failed && outcomes[3].get().status == .completed)
      #expect(throws: PaymentError.self) { try outcomes[4].get() }
      #expect(try connection.int("SELECT count(*) FROM event WHERE key <> '2'") == 1)
    }
  }

  /// G1: with and without a key of the call, among others that are new.
  @Test func `an archived order gets no second payment`() async throws {
    try await PaymentDatabase.with { database in
      try settled(database)
      let connection = try database.connect()
      #expect(try database.archive() == 2)
      for key in [nil, try IdempotencyKey(Array("one".utf8))] {
        let commands = try [Int64(1), 3, 4, key == nil ? 10 : 11].map {
          try CreateCommand(orderID: $0, callKey: $0 == 1 ? key : nil)
        }
        let outcomes = try database.transactions.create(commands, on: connection).map { try $0.get() }
        guard case .existing(let first) = outcomes[0], case .existing(let third) = outcomes[1],
          case .existing = outcomes[2], case .created = outcomes[3]
        else {
          Issue.record("\(outcomes)")
          continue
        }
        #expect(first.status == .completed && third.status == .failed)
      }
      #expect(try connection.int("SELECT count(*) FROM payment WHERE order_id IN (1, 3)") == 0)
      #expect(try connection.int("SELECT count(*) FROM event WHERE key IN ('1', '3')") == 0)
      #expect(try connection.int("SELECT count(*) FROM all_payment") == 8)
    }
  }

  @Test func `whoever waits for a payment that is being archived finds it in the archive`() async throws {
    try await PaymentDatabase.with { database in
      try settled(database)
      let mover = try database.connect()
      // As the mover does, held open.
      try mover.script(
        """
        BEGIN;
        WITH gone AS (DELETE FROM payment WHERE order_id IN (1, 3) RETURNING *)
        INSERT INTO payment_archive SELECT * FROM gone
        """)
      async let settling = blocking {
        try database.transactions.settle(
          [try SettleCommand(orderID: 1, to: .completed, reason: "again")], on: try database.connect()
        )[0].get()
      }
      async let opening = blocking {
        try database.transactions.create([try CreateCommand(orderID: 3)], on: try database.connect())[0].get()
      }
      // By a session of its own: within a transaction the activity of others does not change.
      let (watcher, pid) = (try database.connect(), try mover.int("SELECT pg_backend_pid()"))
      try await eventually {
        try watcher.int("SELECT count(*) FROM pg_stat_activity WHERE \(pid) = ANY (pg_blocking_pids(pid))") == 2
      }
      try mover.script("COMMIT")
      #expect(try await settling.reason == "as asked")
      guard case .existing(let payment) = try await opening else {
        Issue.record("a second payment was opened")
        return
      }
      #expect(payment.status == .failed)
      #expect(try mover.int("SELECT count(*) FROM payment WHERE order_id IN (1, 3)") == 0)
    }
  }

  @Test func `settling stays one HOT update in its part`() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...40)
      let connection = try database.connect()
      let commands = try (Int64(1)...40).map { try SettleCommand(orderID: $0, to: .completed, reason: "") }
      for outcome in try database.transactions.settle(commands, on: connection) { _ = try outcome.get() }
      let row = try connection.run(
        Command(
          Statement(
            """
            SELECT sum(pg_stat_get_xact_tuples_updated(relid) + pg_stat_get_tuples_updated(relid))::bigint AS updated,
                   sum(pg_stat_get_xact_tuples_hot_updated(relid) + pg_stat_get_tuples_hot_updated(relid))::bigint AS hot,
                   count(*) AS parts
            FROM (SELECT pg_stat_force_next_flush()) f, pg_partition_tree('payment') WHERE isleaf
            """))
      ).only
      #expect(try row.int(2) == 8)
      #expect(try row.int(0) == row.int(1))
    }
  }

  /// Down and up again: the steps of before with rows that change between them.
  @Test func `a table of before becomes one of parts, and loses no row`() async throws {
    try await PaymentDatabase.with { database in
      try settled(database)
      let connection = try database.connect()
      let migrator = try database.migrator(database.configuration)
      let rows = "SELECT string_agg(p::text, '|' ORDER BY order_id) FROM"
      #expect(try database.archive() == 2)
      let before = try connection.run(Command(Statement("\(rows) all_payment p"))).only.text(0)
      #expect(try migrator.down(3).map(\.version) == [12, 11, 10])
      #expect(try connection.run(Command(Statement("\(rows) payment p /* one table */"))).only.text(0) == before)
      #expect(
        try connection.int("SELECT count(*) FROM pg_class WHERE oid = 'payment'::regclass AND relkind = 'p'") == 0)

      let script = { (name: String) in
        try String(contentsOfFile: "\(PaymentDatabase.migrations)/\(name).up.sql", encoding: .utf8)
      }
      try connection.script("BEGIN; \(try script("0010_payment_parts")); COMMIT")
      try connection.script("UPDATE payment SET reason = 'between' WHERE order_id = 4")
      try connection.script("BEGIN; \(try script("0011_payment_parts_fill")); COMMIT")
      try connection.script(
        """
        UPDATE payment SET reason = 'after' WHERE order_id = 5;
        DELETE FROM payment WHERE order_id = 6;
        INSERT INTO payment (order_id) VALUES (7)
        """)
      let changed = try connection.run(Command(Statement("\(rows) payment p /* copied */"))).only.text(0)
      try connection.script("BEGIN; \(try script("0012_payment_archive")); COMMIT")
      #expect(try connection.run(Command(Statement("\(rows) all_payment p /* parts */"))).only.text(0) == changed)
      #expect(try connection.int("SELECT count(*) FROM pg_partition_tree('payment') WHERE isleaf") == 8)
      // The next id is a new one.
      try connection.script("INSERT INTO payment (order_id) VALUES (8)")
      #expect(try connection.int("SELECT count(DISTINCT id) FROM payment") == 7)
    }
  }

  /// The statements of the programs of version 0.1, for as long as some of them still run on the new tables.
  @Test func `programs of the version before settle and open on the parts`() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...3)
      let connection = try database.connect()
      let opened = try connection.run(
        Command(
          Statement(
            """
            INSERT INTO payment AS p (order_id, amount_minor, currency, idempotent_key, expires_at)
            SELECT u.order_id, u.amount_minor, u.currency, u.idempotent_key, now() + make_interval(secs => $5)
            FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::uuid[])
                 u(order_id, amount_minor, currency, idempotent_key)
            ORDER BY u.order_id
            ON CONFLICT (order_id) DO NOTHING
            RETURNING p.id
            """),
          [
            .int64Array([3, 4]), .int64Array([0, 0]), .optionalTextArray([nil, nil]), .optionalUUIDArray([nil, nil]),
            .typedNull(.double),
          ]))
      #expect(opened.count == 1)
      let locked = try connection.run(
        Command(
          Statement(
            """
            SELECT p.id FROM payment p
            WHERE p.order_id = ANY ($1::bigint[]) ORDER BY p.order_id FOR NO KEY UPDATE OF p
            """), [.int64Array([1, 4, 9])])
      ).map { try $0.int64(0) }
      #expect(locked.count == 2)
      let changed = try connection.run(
        Command(
          Statement(
            """
            WITH changed AS (
              UPDATE payment p SET status = u.status::payment_status, reason = u.reason, version = u.version,
                                   updated_at = u.updated_at
              FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[])
                   u(id, status, reason, version, updated_at)
              WHERE p.id = u.id AND p.status = 'CREATED' AND p.version = u.version - 1
              RETURNING 1)
            SELECT count(*) FROM changed
            """),
          [
            .int64Array(locked), .textArray(["COMPLETED", "FAILED"]), .textArray(["", ""]), .int64Array([2, 2]),
            .timestampArray([.now(), .now()]),
          ])
      ).only.int(0)
      #expect(changed == 2)
      #expect(
        try database.transactions.find(orderIDs: [1, 4], on: connection).payments.map(\.status) == [
          .completed, .failed,
        ])
    }
  }

  /// What everybody reads: single payments, lists, and expiry's candidates.
  private func seen(_ database: PaymentDatabase, on connection: Connection) throws -> [String] {
    var seen = try database.transactions.find(orderIDs: [3, 1, 2, 6, 1, 99], on: connection).payments.map { "\($0)" }
    for status in [nil, PaymentStatus.completed, .failed, .created] {
      var after: Int64? = 0
      while let from = after {
        let page = try database.transactions.list(
          try PaymentQuery(status: status, pageSize: 2, after: from), on: connection)
        seen += page.payments.map { "\($0)" }
        after = page.next
      }
    }
    return seen
  }
}

extension PaymentDatabase {
  /// Archives whatever is finished, a few at a time. - Returns: how many payments were moved.
  func archive(olderThan age: Duration = .zero) throws -> Int {
    let connection = try connect()
    var steps = PaymentArchive(olderThan: age)
    var moved = 0
    while true {
      let batch = try steps.step(size: 2, on: connection)
      moved += batch.moved
      if batch.isOver { return moved }
    }
  }
}

extension Connection {
  fileprivate func numbers(_ query: String) throws -> [Int64] {
    try run(Command(Statement(query))).map { try $0.int64(0) }
  }
}
