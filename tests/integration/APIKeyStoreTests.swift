import GatewayDomain
import GatewayStore
import Testing
import Values

@testable import Postgres

@Suite("API keys", .needsDatabase)
struct APIKeyStoreTests {
  private func verdict(
    _ secret: APIKeySecret, _ store: APIKeyStore, _ connection: Connection
  ) throws -> APIKeyBook.Verdict { try store.book(on: connection).book.verdict(secret.digest, at: .now()) }

  @Test func `a key is made, changed and ended, and each change is told`() async throws {
    try await GatewayDatabase.with { database in
      let (store, connection) = (APIKeyStore(database.tables), try database.connect())
      try connection.script("LISTEN gateway_api_key")
      let (key, first) = try store.create(
        name: "shop", scopes: [.pay, .read], rate: 20, lifetime: .seconds(3_600), on: connection
      ).get()
      #expect(try verdict(first, store, connection) == .known(key))
      #expect(try store.list(on: connection).keys == [key])
      // The secret is nowhere.
      #expect(try !database.dump().contains(first.text.dropFirst(4)))
      #expect(
        try store.create(name: "shop", scopes: [.read], rate: nil, lifetime: nil, on: connection).refusal == .nameTaken)

      let (_, second) = try store.rotate(key.id, grace: .seconds(60), on: connection).get()
      for secret in [first, second] { #expect(try verdict(secret, store, connection) == .known(key)) }
      let (_, third) = try store.rotate(key.id, grace: .zero, on: connection).get()
      for secret in [first, second] { #expect(try verdict(secret, store, connection) == .unknown) }
      #expect(try verdict(third, store, connection) == .known(key))

      let ended = try store.revoke(key.id, on: connection).get()
      #expect(try ended.revokedAt != nil && store.revoke(key.id, on: connection).get() == ended)
      #expect(try verdict(third, store, connection) == .unknown)
      #expect(try store.rotate(key.id, grace: .zero, on: connection).refusal == .revoked)
      #expect(try store.revoke(UniqueID.random(), on: connection).refusal == .unknown)
      // A name is given once.
      #expect(
        try store.create(name: "shop", scopes: [.read], rate: nil, lifetime: nil, on: connection).refusal == .nameTaken)
      // The channel is the database's: other tests are heard as well.
      #expect(connection.takeNotifications().count >= 5)
    }
  }

  @Test func `a key ends by its time`() async throws {
    try await GatewayDatabase.with { database in
      let (store, connection) = (APIKeyStore(database.tables), try database.connect())
      let (key, secret) = try store.create(
        name: "short", scopes: [.pay], rate: nil, lifetime: .seconds(2), on: connection
      ).get()
      let book = try store.book(on: connection).book
      #expect(book.verdict(secret.digest, at: .now()) == .known(key))
      #expect(book.verdict(secret.digest, at: .now() + .seconds(3)) == .unknown)
      try connection.script("UPDATE api_key SET expires_at = now() - interval '1 second'")
      #expect(try verdict(secret, store, connection) == .unknown)
      #expect(try store.rotate(key.id, grace: .zero, on: connection).refusal == .expired)
    }
  }

  @Test func `a row that cannot be read opens nothing, and keeps nobody out`() async throws {
    try await GatewayDatabase.with { database in
      let (store, connection) = (APIKeyStore(database.tables), try database.connect())
      let made = { try store.create(name: $0, scopes: [.pay], rate: nil, lifetime: nil, on: connection).get() }
      let (bad, good) = (try made("bad"), try made("good"))
      try connection.script("ALTER TABLE api_key DROP CONSTRAINT api_key_scopes_check")
      try connection.script("UPDATE api_key SET scopes = '{pay,fly}' WHERE name = 'bad'")
      let (book, unreadable) = try store.book(on: connection)
      #expect(unreadable == [bad.key.id])
      #expect(book.verdict(bad.secret.digest, at: .now()) == .unknown)
      #expect(book.verdict(good.secret.digest, at: .now()) == .known(good.key))
      let listed = try store.list(on: connection)
      #expect(listed.keys == [good.key] && listed.unreadable == [bad.key.id])
      // It can be ended all the same.
      #expect(throws: DatabaseError.self) { try store.revoke(bad.key.id, on: connection) }
      #expect(try store.book(on: connection).unreadable.isEmpty)
    }
  }
}

extension Result {
  fileprivate var refusal: Failure? { if case .failure(let refusal) = self { refusal } else { nil } }
}
