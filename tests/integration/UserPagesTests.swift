import GatewayDomain
import GatewayStore
import Postgres
import Testing
import Values

@Suite("Pages of a user's stream", .needsDatabase)
struct UserPagesTests {
  private static let user = UniqueID(high: 1, low: 1)
  private static let moment = Timestamp(microseconds: 1_795_700_000_000_000)

  /// A payment that is as many seconds old at `moment` as its number says.
  private static func id(_ number: Int) -> UniqueID {
    UniqueID(high: UniqueID.lowest(at: moment + .seconds(-number)).high | 0x7000, low: UInt64(number) | 1 << 63)
  }

  /// - Parameter since: how many seconds before `moment` the state began.
  private func insert(
    _ numbers: some Sequence<Int>, since seconds: Int, of user: UniqueID = user, on connection: Connection
  ) throws {
    let values = numbers.map { number in
      """
      ('\(Self.id(number))', '\(user)', '00000000-0000-0000-0000-000000000002', 'account', '****', 1, 'EUR', now(),
       'COMPLETED', 2, to_timestamp(\(Self.moment.microseconds / 1_000_000 - Int64(seconds))))
      """
    }
    try connection.script(
      """
      INSERT INTO payment (id, user_id, payee_id, method, masked, amount, currency, created_at, state, version, since)
      VALUES \(values.joined(separator: ","))
      """)
  }

  /// All pages of a resumption, as numbers.
  private func pages(
    _ database: GatewayDatabase, from start: UniqueID, open: [Int] = []
  ) async throws -> [[Int]] {
    var pages: [[Int]] = []
    var first: UniqueID? = UniqueID(high: 0, low: 0)
    while let from = first, pages.count < 9 {
      let wanted = UserPages.Wanted(
        user: Self.user, from: from, start: start, open: pages.isEmpty ? open.map { Self.id($0) } : [])
      let page = try await database.reader.pages([wanted], deadline: .now() + .seconds(30))[0]
      #expect(page.unreadable.isEmpty && page.payments.allSatisfy { $0.userID == Self.user })
      pages.append(page.payments.map { Int($0.id.low & ~(1 << 63)) })
      first = page.next
    }
    return pages
  }

  @Test func `a resumption also finds older payments whose state began later, page after page`() async throws {
    try await GatewayDatabase.with { database in
      let connection = try database.connect()
      try insert([990, 900], since: 500, on: connection)
      try insert(800...869, since: 100, on: connection)
      try insert([700], since: 301, on: connection)
      try insert([299, 10], since: 9, on: connection)
      try insert([870, 5], since: 9, of: UniqueID(high: 3, low: 3), on: connection)
      let start = UniqueID.lowest(at: Self.moment + .seconds(-300))
      let found = try await pages(database, from: start, open: [990, 850])
      #expect(found == [[990] + (820...869).reversed(), (800...819).reversed() + [299, 10]])
    }
  }

  @Test func `it looks at a bounded number of older payments, and at the newest of them`() async throws {
    try await GatewayDatabase.with { database in
      let connection = try database.connect()
      try insert([400, 30_000], since: 1, on: connection)
      try insert(500..<500 + UserPages.olderLimit - 1, since: 900, on: connection)
      #expect(try await pages(database, from: .lowest(at: Self.moment + .seconds(-300))) == [[400]])
    }
  }
}
