import Testing
import Values

@testable import Postgres

/// Golden bytes: what PostgreSQL's `…_send` functions give for the same values.
@Suite("Binary parameters")
struct ParameterBufferTests {
  private func encoded(_ parameter: Parameter) -> [UInt8] {
    var buffer = ParameterBuffer()
    buffer.encode([parameter])
    return Array(buffer.bytes[buffer.offsets[0]..<buffer.offsets[0] + Int(buffer.lengths[0])])
  }

  @Test func scalars() {
    #expect(encoded(.bool(true)) == [1])
    #expect(encoded(.int16(-2)) == [0xFF, 0xFE])
    #expect(encoded(.int32(1)) == [0, 0, 0, 1])
    #expect(encoded(.int64(.min)) == [0x80, 0, 0, 0, 0, 0, 0, 0])
    #expect(encoded(.double(1)) == [0x3F, 0xF0, 0, 0, 0, 0, 0, 0])
    #expect(encoded(.text("é")) == [0xC3, 0xA9])
    // timestamptz_send('2000-01-01 00:00:01+00')
    #expect(encoded(.timestamp(Timestamp(microseconds: 946_684_801_000_000))) == [0, 0, 0, 0, 0, 0x0F, 0x42, 0x40])
    #expect(encoded(.interval(.seconds(1))) == [0, 0, 0, 0, 0, 0x0F, 0x42, 0x40] + [UInt8](repeating: 0, count: 8))
    #expect(encoded(.uuid(UniqueID(high: 1, low: 2))) == [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2])
  }

  @Test func arrays() {
    // array_send('{}'::int8[]), array_send('{1,NULL}'::int8[]), array_send('{ab}'::text[])
    #expect(encoded(.int64Array([])) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20])
    #expect(
      encoded(.optionalInt64Array([1, nil]))
        == [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 20, 0, 0, 0, 2, 0, 0, 0, 1]
        + [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF])
    #expect(
      encoded(.textArray(["ab"]))
        == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0x61, 0x62])
  }

  @Test func theBufferIsReused() {
    var buffer = ParameterBuffer()
    buffer.encode([.null, .text(""), .typedNull(.int64), .int16(7)])
    #expect(buffer.offsets == [-1, 1, -1, 1])
    #expect(buffer.lengths == [0, 0, 0, 2])
    #expect(buffer.types == [0, 25, 20, 21])
    buffer.encode([])
    #expect(buffer.offsets.isEmpty && buffer.types.isEmpty && buffer.bytes == [0])
  }
}
