import Cards
import GatewayDomain
import Testing
import Values

@testable import GatewayPage

@Suite struct PageSessionTests {
  private let now = Timestamp("2026-11-26T12:00:00Z")!
  private let keys: CardFingerprintKeys
  private let other: CardFingerprintKeys
  private let rotated: CardFingerprintKeys
  private let digest = APIKeyDigest(bytes: (0..<32).map { UInt8($0) })!

  init() throws {
    let first = "one:\(String(repeating: "1a", count: 31))1b"
    let second = "two:\(String(repeating: "2a", count: 31))2b"
    keys = try CardFingerprintKeys(first)
    other = try CardFingerprintKeys(second)
    rotated = try CardFingerprintKeys("\(second),\(first)")
  }

  @Test func aCookieIsReadBack() throws {
    for key in [nil, digest] {
      let session = PageSession(key: key, now: now)
      let cookie = session.cookie(keys)
      #expect(PageSession(cookie, keys, now: now) == session)
      // A new key in front: what the old one has signed counts on.
      #expect(PageSession(cookie, rotated, now: now) == session)
      #expect(PageSession(cookie, other, now: now) == nil)
    }
  }

  @Test func aCookieEnds() {
    let cookie = PageSession(key: digest, now: now).cookie(keys)
    #expect(PageSession(cookie, keys, now: now + .seconds(12 * 3_600 - 1)) != nil)
    #expect(PageSession(cookie, keys, now: now + PageSession.lifetime) == nil)
  }

  @Test func aChangedCookieIsNone() {
    let cookie = Array(PageSession(key: digest, now: now).cookie(keys).utf8)
    for place in cookie.indices {
      var changed = cookie
      changed[place] = changed[place] == UInt8(ascii: "1") ? UInt8(ascii: "2") : UInt8(ascii: "1")
      #expect(PageSession(String(decoding: changed, as: UTF8.self), keys, now: now) == nil, "byte \(place)")
      #expect(PageSession(String(decoding: cookie[..<place], as: UTF8.self), keys, now: now) == nil)
    }
    // Somebody's key in nobody's session.
    let mine = PageSession(key: nil, now: now)
    let forged = mine.cookie(keys).split(separator: ".").map(String.init)
    let text = [forged[0], forged[1], String(repeating: "ab", count: 32), forged[3]].joined(separator: ".")
    #expect(PageSession(text, keys, now: now) == nil)
  }

  @Test func aTokenBelongsToItsVisit() {
    let (mine, yours) = (PageSession(key: digest, now: now), PageSession(key: digest, now: now))
    #expect(mine.hasToken(mine.token(keys), keys) && !mine.hasToken(yours.token(keys), keys))
    #expect(!mine.hasToken("", keys) && !mine.hasToken(mine.token(other), keys))
    #expect(mine.hasToken(mine.token(keys), rotated))
    // Neither is the other's signature.
    #expect(!mine.hasToken(String(mine.cookie(keys).suffix(64)), keys))
    #expect(mine.visitor != yours.visitor && mine.visitor == mine.visitor)
  }

  @Test func cookiesAreFound() {
    #expect(Cookies.value("a", in: ["b=1; a=2", "a=3"]) == "2")
    #expect(Cookies.value("a", in: ["aa=1;a=x=y"]) == "x=y")
    #expect(Cookies.value("a", in: ["a"]) == nil && Cookies.value("a", in: []) == nil)
  }
}
