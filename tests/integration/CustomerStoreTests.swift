import GatewayDomain
import GatewayStore
import Testing
import Values

@Suite("Users and payment methods", .needsDatabase)
struct CustomerStoreTests {
  private func filter(_ items: [(name: String, value: String)], by parameter: String) throws -> OwnedFilter {
    try OwnedFilter(items, by: parameter)
  }

  @Test func `users are added once, found and listed`() async throws {
    try await GatewayDatabase.with { database in
      let (store, connection) = (CustomerStore(database.tables), try database.connect())
      let users = (1...3).map { number in
        GatewayUser(
          id: UniqueID(high: 1, low: number), name: number == 1 ? nil : "Ann \(number)",
          externalID: number == 2 ? nil : "mine")
      }
      for user in users {
        guard case .new(let moment) = try store.add(user, on: connection) else {
          Issue.record("it is not new")
          return
        }
        #expect(try store.add(user, on: connection) == .same(since: moment))
        #expect(try store.user(user.id, on: connection)?.user == user)
      }
      let other = GatewayUser(id: users[0].id, name: "Eve", externalID: nil)
      #expect(try store.add(other, on: connection) == .differs)
      #expect(try store.user(UniqueID.random(), on: connection) == nil)
      let list = { (items: [(name: String, value: String)]) in
        try store.users(try filter(items, by: "external_id"), on: connection).map(\.user)
      }
      #expect(try list([]) == users)
      #expect(try list([("limit", "1")]) == Array(users.prefix(2)))
      #expect(try list([("after", PaymentCursor(users[0].id).text)]) == Array(users.dropFirst()))
      #expect(try list([("external_id", "mine")]) == [users[0], users[2]])
    }
  }

  @Test func `payment methods are a user's, and can be deleted`() async throws {
    try await GatewayDatabase.with { database in
      let (store, connection) = (CustomerStore(database.tables), try database.connect())
      let user = UniqueID(high: 2, low: 1)
      let account = SavedMethod(id: UniqueID(high: 1, low: 1), userID: user, source: .account(number: "4711"))
      let token = SavedMethod(id: UniqueID(high: 1, low: 2), userID: user, source: .token("tok_1"))
      let foreign = SavedMethod(id: UniqueID(high: 1, low: 3), userID: .random(), source: .token("tok_1"))
      for method in [account, token, foreign] { _ = try store.add(method, on: connection) }
      let changed = SavedMethod(id: account.id, userID: user, source: .token("4711"))
      #expect(try store.add(changed, on: connection) == .differs)
      let mine = try filter([("user_id", user.description)], by: "user_id")
      #expect(try store.methods(mine, on: connection).map(\.method) == [account, token])
      #expect(try store.method(token.id, on: connection)?.method == token)
      #expect(try store.deleteMethod(token.id, on: connection))
      #expect(try !store.deleteMethod(token.id, on: connection))
      #expect(try store.methods(mine, on: connection).map(\.method) == [account])
    }
  }
}
