import Testing

@testable import Gzip

struct GzipTests {
  private static let hello = Array("hello, gzip".utf8)

  /// Made by Python's gzip and zlib.
  private static let golden: [(name: String, hex: String, plain: [UInt8])] = [
    ("plain", "1f8b0800000000000203cb48cdc9c9d75148afca2c00004a9bb15c0b000000", hello),
    ("empty", "1f8b080000000000020303000000000000000000", []),
    (
      "text, extra, name, comment and header checksum",
      "1f8b081f00f1536502030400585900006e616d6500636f6d6d656e74009e8acb48cdc9c9d75148afca2c00004a9bb15c0b000000", hello
    ),
    ("stored", "1f8b0800000000000403010b00f4ff68656c6c6f2c20677a69704a9bb15c0b000000", hello),
    ("zeros", "1f8b080000000000020363601805a360140c77000080170b06e8030000", [UInt8](repeating: 0, count: 1_000)),
  ]
  private static let twoMembers =
    "1f8b0800000000000203cb48cdc9c9d75100009956ea11070000001f8b08000000000002034bafca2c0000f25ce93a04000000"

  private static func bytes(_ hex: String) -> [UInt8] {
    stride(from: 0, to: hex.count, by: 2).map { offset in
      let start = hex.index(hex.startIndex, offsetBy: offset)
      return UInt8(hex[start..<hex.index(start, offsetBy: 2)], radix: 16)!  // ours
    }
  }

  private static func failure(_ input: [UInt8], limit: Int = 4 << 20) -> GzipError.Code? {
    do throws(GzipError) {
      _ = try GzipCodec().decompress(input, limit: limit)
      return nil
    } catch {
      return error.code
    }
  }

  @Test func whatPythonCompressedIsRead() throws {
    let codec = GzipCodec()
    for (name, hex, plain) in Self.golden {
      #expect(try codec.decompress(Self.bytes(hex), limit: 1_000) == plain, "\(name)")
    }
    #expect(try codec.decompress(Self.bytes(Self.twoMembers), limit: 1_000) == Self.hello)
  }

  @Test func everyTruncationIsCorrupt() {
    for (name, hex, _) in Self.golden {
      let whole = Self.bytes(hex)
      for count in 0..<whole.count {
        #expect(Self.failure(Array(whole[..<count])) == .corrupt, "\(name) cut to \(count)")
      }
    }
    // Between two members the first is whole by itself.
    let two = Self.bytes(Self.twoMembers)
    for count in 0..<two.count where count != 27 {
      #expect(Self.failure(Array(two[..<count])) == .corrupt, "cut to \(count)")
    }
  }

  @Test func aWrongByteIsCorruptWhereverItIsChecked() {
    let whole = Self.bytes(Self.golden[0].hex)
    // Time, extra flags and system, bytes 4 to 9, mean nothing.
    for index in whole.indices where !(4...9).contains(index) {
      var wrong = whole
      wrong[index] ^= 0xFF
      #expect(Self.failure(wrong) == .corrupt, "byte \(index)")
    }
    #expect(Self.failure(whole + [0]) == .corrupt)
    #expect(Self.failure(Self.hello) == .corrupt)
  }

  @Test func theLimitIsExactAndTheCodecGoesOn() throws {
    let codec = GzipCodec()
    let zeros = Self.bytes(Self.golden[4].hex)
    #expect(try codec.decompress(zeros, limit: 1_000).count == 1_000)
    #expect(throws: GzipError.self) { try codec.decompress(zeros, limit: 999) }
    #expect(Self.failure(zeros, limit: 999) == .tooLong)
    #expect(Self.failure(zeros, limit: 0) == .tooLong)
    #expect(try codec.decompress(Self.bytes(Self.golden[1].hex), limit: 0) == [])
    #expect(try codec.decompress(zeros, limit: 1_000).count == 1_000)
  }

  @Test func whatWeCompressComesBack() throws {
    let codec = GzipCodec()
    for size in [100, 65_535, 65_536, 65_537, 300_000] {
      let message = (0..<size).map { UInt8(truncatingIfNeeded: $0 / 64) }
      let shorter = try #require(try codec.compress(message))
      #expect(shorter.count < message.count)
      #expect(try codec.decompress(shorter, limit: size) == message)
    }
  }

  @Test func whatGzipDoesNotShortenIsLeftAlone() throws {
    let codec = GzipCodec()
    var state: UInt64 = 1
    let noise = (0..<10_000).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 56)
    }
    for message in [[], [1], Self.hello, noise] as [[UInt8]] { #expect(try codec.compress(message) == nil) }
    #expect(try codec.compress([UInt8](repeating: 0, count: 1_000)) != nil)
  }

  /// 64 MiB of zeros in 64 KiB: no more than the limit is ever made of them.
  @Test func aBombStopsAtTheLimit() throws {
    let codec = GzipCodec()
    let bomb = try #require(try codec.compress([UInt8](repeating: 0, count: 64 << 20)))
    #expect(Self.failure(bomb, limit: 4 << 20) == .tooLong)
  }
}
