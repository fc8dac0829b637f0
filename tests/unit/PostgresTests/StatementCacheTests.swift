import Testing

@testable import Postgres

@Suite("Statement cache")
struct StatementCacheTests {
  @Test func aStatementIsPreparedOnceForItsTypes() {
    var cache = StatementCache()
    guard case .prepare(let name, _) = cache.decide(1, types: [20, 25]) else {
      Issue.record("the first use must prepare")
      return
    }
    #expect(cache.decide(1, types: [20, 25]) == .use(name: name))
    #expect(cache.decide(1, types: [20, 0]) == .use(name: name))
    guard case .prepare(let other, _) = cache.decide(1, types: [21, 25]) else {
      Issue.record("other types need another preparation")
      return
    }
    #expect(other != name)
    #expect(cache.decide(1, types: [21, 25]) == .use(name: other))
    #expect(cache.decide(1, types: [20, 25]) == .use(name: name))
  }

  @Test func anUntypedFirstUseDoesNotServeTypedOnes() {
    var cache = StatementCache()
    _ = cache.decide(1, types: [0])
    guard case .prepare = cache.decide(1, types: [20]) else {
      Issue.record("the type inferred for a NULL may be another one")
      return
    }
  }

  @Test func theLimitHoldsAndForgettingMakesRoom() {
    var cache = StatementCache(limit: 2)
    guard case .prepare(_, let key) = cache.decide(1, types: []) else {
      Issue.record("the first use must prepare")
      return
    }
    _ = cache.decide(2, types: [])
    #expect(cache.decide(3, types: []) == .unnamed)
    cache.forget(key)
    cache.forget(key)
    guard case .prepare(let name, _) = cache.decide(3, types: []) else {
      Issue.record("there is room again")
      return
    }
    #expect(name == "p3")
    #expect(cache.decide(1, types: []) == .unnamed)
  }
}
