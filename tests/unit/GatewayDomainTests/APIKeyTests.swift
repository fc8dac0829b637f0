import Testing
import Values

@testable import GatewayDomain

@Suite("API keys")
struct APIKeyTests {
  private let key = APIKey(
    id: UniqueID(high: 1, low: 1), name: "shop", scopes: [.pay], rate: nil, createdAt: noon, expiresAt: nil,
    revokedAt: nil)

  private func digest(_ byte: UInt8) -> APIKeyDigest { APIKeyDigest(bytes: Array(repeating: byte, count: 32))! }

  @Test func `a key ends by its time, and all of them when they could not be read for too long`() {
    let start = Instant.now()
    let (one, two) = (digest(1), digest(2))
    let book = APIKeyBook([.init(one, key, until: nil), .init(two, key, until: start + .seconds(5))], readAt: start)
    #expect(book.verdict(one, at: start) == .known(key))
    #expect(book.verdict(two, at: start + .seconds(4)) == .known(key))
    #expect(book.verdict(two, at: start + .seconds(5)) == .unknown)
    #expect(book.verdict(digest(3), at: start) == .unknown)
    #expect(book.verdict(one, at: start + .seconds(29)) == .known(key))
    #expect(book.verdict(one, at: start + .seconds(30)) == .stale)
    #expect(APIKeyBook().verdict(one, at: start) == .stale)
  }

  @Test(arguments: ["shop", "a.b_c-d@e", "A1", String(repeating: "x", count: 64)])
  func `names are taken`(name: String) { #expect(APIKey.isName(name)) }

  @Test(arguments: ["", "a b", "ä", "a\n", "a\"", String(repeating: "x", count: 65)])
  func `other names are not`(name: String) { #expect(!APIKey.isName(name)) }
}
