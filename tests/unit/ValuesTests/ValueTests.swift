import Foundation
import Randomness
import Testing
import Values

@Suite struct TimestampTests {
  @Test func looksAsFoundationFormatsIt() {
    var random = SplitMix64(seed: 3)
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = TimeZone(identifier: "UTC")!
    // From 1600 on: before 1582 Foundation's calendar is the Julian one.
    for _ in 0..<3_000 {
      let stamp = Timestamp(
        microseconds: Int64.random(in: -11_676_096_000_000_000...253_402_300_799_999_999, using: &random))
      let seconds = Double(stamp.microseconds.floorDivided(by: 1_000_000))
      let parts = calendar.dateComponents(
        [.year, .month, .day, .hour, .minute, .second], from: Date(timeIntervalSince1970: seconds))
      let micros = stamp.microseconds - Int64(seconds) * 1_000_000
      let expected = String(
        format: "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", parts.year!, parts.month!, parts.day!, parts.hour!,
        parts.minute!, parts.second!, Int(micros))
      #expect(stamp.description == expected)
    }
  }

  @Test(arguments: [
    (0, "1970-01-01T00:00:00.000000Z"), (-1, "1969-12-31T23:59:59.999999Z"),
    (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"), (253_402_300_800_000_000, "9999-12-31T23:59:59.999999Z"),
    (Int64.max, "9999-12-31T23:59:59.999999Z"), (.min, "0001-01-01T00:00:00.000000Z"),
  ])
  func knowsItsEdges(microseconds: Int64, text: String) {
    #expect(Timestamp(microseconds: microseconds).description == text)
  }

  @Test(arguments: [
    "0001-01-01T00:00:00.000000Z", "1969-12-31T23:59:59.999999Z", "2000-02-29T12:34:56.789012Z",
    "2026-03-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z",
  ])
  func aDescriptionReadsBack(text: String) throws {
    #expect(try #require(Timestamp(text)).description == text)
  }

  @Test func everyDayReadsBack() throws {
    for day in stride(from: Int64(-719_162), through: 2_932_896, by: 997) {
      let stamp = Timestamp(microseconds: day * 86_400_000_000)
      #expect(Timestamp(stamp.description) == stamp)
    }
  }

  @Test(arguments: [
    "", "2026-02-29T00:00:00.000000Z", "2026-13-01T00:00:00.000000Z", "2026-00-10T00:00:00.000000Z",
    "2026-01-32T00:00:00.000000Z", "2026-01-01T24:00:00.000000Z", "2026-01-01T00:60:00.000000Z",
    "2026-01-01T00:00:60.000000Z", "0000-01-01T00:00:00.000000Z", "2026-01-01 00:00:00.000000Z",
    "2026-01-01T00:00:00.000000000Z0", "2026-01-01T00:00:00.000000+", "2026-01-01T00:00:0/.000000Z", "infinity",
    "ÿÿÿÿ-ÿÿ-ÿÿTÿÿ:ÿZ", "2026-01-01T00:00:00.000000Z ",
  ])
  func anythingElseIsNoTimestamp(text: String) { #expect(Timestamp(text) == nil) }

  @Test func nowIsNow() {
    #expect(abs(Double(Timestamp.now().microseconds) / 1e6 - Date().timeIntervalSince1970) < 5)
  }
}

extension Int64 {
  fileprivate func floorDivided(by divisor: Int64) -> Int64 {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }
}

@Suite struct UniqueIDTests {
  @Test func readsAndWritesAsFoundationDoes() throws {
    var random = SplitMix64(seed: 4)
    for _ in 0..<1_000 {
      let id = UniqueID.random(using: &random)
      let theirs = try #require(UUID(uuidString: id.description))
      #expect(theirs.uuidString.lowercased() == id.description)
      #expect(UniqueID(theirs.uuidString) == id && UniqueID(id.description) == id)
      var bytes: [UInt8] = []
      id.append(to: &bytes)
      #expect(bytes == Array(id.description.utf8))
      #expect(id.high >> 12 & 0xF == 4 && id.low >> 62 == 2, "version 4, variant 1")
    }
  }

  @Test(arguments: [
    "", "d978c560fdba4e84b3f1b570d8d95e4c", "d978c560-fdba-4e84-b3f1-b570d8d95e4",
    "d978c560-fdba-4e84-b3f1-b570d8d95e4cc",
    "d978c560-fdba-4e84-b3f1-b570d8d95e4g", "d978c5600fdba-4e84-b3f1-b570d8d95e4c",
    "{978c560-fdba-4e84-b3f1-b570d8d95e4}",
    "d978c560-fdba-4e84-b3f1-b570d8d95e4é",
  ])
  func refusesWhatIsNone(text: String) {
    #expect(UniqueID(text) == nil)
  }
}

@Suite struct BackoffTests {
  @Test func doublesWithinItsBoundsAndStartsOver() {
    var random = SplitMix64(seed: 5)
    for _ in 0..<200 {
      var backoff = Backoff(first: .milliseconds(10), limit: .milliseconds(70))
      for whole in [10, 20, 40, 70, 70] {
        let delay = backoff.nextDelay(using: &random)
        #expect(delay >= .microseconds(whole * 500) && delay <= .milliseconds(whole))
      }
      backoff.reset()
      #expect(backoff.nextDelay(using: &random) <= .milliseconds(10))
    }
  }

  @Test func drawsAtRandom() {
    var random = SplitMix64(seed: 6)
    let delays = Set(
      (0..<50).map { _ in
        var backoff = Backoff(first: .seconds(1), limit: .seconds(1))
        return backoff.nextDelay(using: &random)
      })
    #expect(delays.count > 40)
  }
}

@Suite struct NetworkAddressTests {
  @Test(
    arguments: [
      ("127.0.0.1:8081", "127.0.0.1", 8081, "127.0.0.1:8081"), (":8081", "::", 8081, "[::]:8081"),
      ("[::1]:0", "::1", 0, "[::1]:0"), ("db-1.internal:65535", "db-1.internal", 65_535, "db-1.internal:65535"),
    ] as [(String, String, UInt16, String)])
  func reads(text: String, host: String, port: UInt16, shown: String) throws {
    let address = try #require(NetworkAddress(text))
    #expect(address == NetworkAddress(host: host, port: port) && address.description == shown)
  }

  @Test(arguments: [
    "", "8081", "host", "host:", "host:65536", "host:-1", "host:+1", "host:8 1", "::1:80", "[::1]", "[::1]80", "[]:80",
    "[host]:80", "ho st:80", "host:٣", "a/b:80",
  ])
  func refuses(text: String) {
    #expect(NetworkAddress(text) == nil)
  }
}

@Suite struct JSONWriterTests {
  @Test func writesWhatFoundationReads() throws {
    let text = String(String.UnicodeScalarView((0...0x2FF).map { Unicode.Scalar($0)! })) + "€😀\u{2028}"
    var bytes = Array("[".utf8)
    JSONWriter.appendString(text, to: &bytes)
    for value in [0, -1, 7, 1_234_567_890, Int64.max, .min] {
      bytes += ",".utf8
      JSONWriter.appendInteger(value, to: &bytes)
    }
    bytes += "]".utf8
    let read = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [Any])
    #expect((read[0] as? String).map { Array($0.utf8) } == Array(text.utf8))
    #expect(
      read[1...].map { ($0 as? NSNumber)?.stringValue } == [
        "0", "-1", "7", "1234567890", "\(Int64.max)", "\(Int64.min)",
      ])
    var scanner = try JSONScanner(bytes, maximumBytes: 65_536)
    try scanner.beginArray()
    #expect(try scanner.nextElement())
    #expect(Array(try scanner.string().utf8) == Array(text.utf8))
  }

  @Test func `an object has its fields in order, with commas and braces`() throws {
    let bytes = JSONWriter.object { object in
      object.add("id", UniqueID(high: 0x0123_4567_89AB_4DEF, low: 0x8123_4567_89AB_CDEF))
      object.add("n", -7 as Int64)
      object.add("i", 8)
      object.add("t", "a\"\n")
      object.add("b", true)
      object.add("at", Timestamp(microseconds: 250))
      object.add("half", 0.5)
      object.add("none", Double.nan)
      object.add("nil", nil as String?)
      object.add("some", 1 as Int?)
      object.add("list", ["x", "y"])
      object.add("empty", [] as [Int])
      object.add(named: "a \"name\"") { inner in
        inner.add(named: "é", [[1], [], [2, 3]])
        inner.add("nothing") { _ in }
      }
    }
    let expected =
      #"{"id":"01234567-89ab-4def-8123-456789abcdef","n":-7,"i":8,"t":"a\"\n","b":true,"#
      + #""at":"1970-01-01T00:00:00.000250Z","half":0.5,"none":null,"nil":null,"some":1,"list":["x","y"],"empty":[],"#
      + #""a \"name\"":{"é":[[1],[],[2,3]],"nothing":{}}}"#
    #expect(String(decoding: bytes, as: UTF8.self) == expected)
    #expect(try JSONSerialization.jsonObject(with: Data(bytes)) is [String: Any])
  }

  @Test func `an object is appended to what is there`() {
    var bytes = Array("[".utf8)
    JSONWriter.appendObject(to: &bytes) { _ in }
    bytes += ",".utf8
    JSONWriter.appendObject(to: &bytes) { $0.add("a", 1) }
    #expect(String(decoding: bytes, as: UTF8.self) == #"[{},{"a":1}"#)
  }
}
