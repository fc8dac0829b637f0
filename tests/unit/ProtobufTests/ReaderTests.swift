import Protobuf
import Testing

/// The value that `read` takes from `bytes`, or the code of its error.
private func reading<Value>(
  _ bytes: [UInt8], limits: ProtobufLimits = .standard,
  _ read: (inout ProtobufReader) throws(ProtobufError) -> Value
) throws(ProtobufError) -> Value {
  var reader = try ProtobufReader(bytes.span, limits: limits)
  return try read(&reader)
}

private func failure(
  _ bytes: [UInt8], limits: ProtobufLimits = .standard,
  _ read: (inout ProtobufReader) throws(ProtobufError) -> Void
) -> ProtobufError.Code? {
  do throws(ProtobufError) {
    try reading(bytes, limits: limits, read)
    return nil
  } catch { return error.code }
}

/// The code of the error when every field is skipped.
private func failure(_ bytes: [UInt8], limits: ProtobufLimits = .standard) -> ProtobufError.Code? {
  failure(bytes, limits: limits) { reader throws(ProtobufError) in
    while let field = try reader.nextField() { try reader.skip(field) }
  }
}

@Suite struct VarintTests {
  @Test(
    arguments: [
      ([0x00], 0), ([0x7F], 127), ([0x80, 0x01], 128), ([0xAC, 0x02], 300),
      ([0x80, 0x80, 0x00], 0),  // padded
      ([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], UInt64.max),
      ([0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 1),
      ([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7E], 0),  // bits above the 64th are dropped
    ] as [([UInt8], UInt64)])
  func `one to ten bytes`(bytes: [UInt8], value: UInt64) throws {
    let read = try reading(bytes) { reader throws(ProtobufError) in try reader.readVarint() }
    #expect(read == value)
  }

  @Test func `an eleventh byte is refused`() {
    let bytes = [UInt8](repeating: 0x80, count: 10) + [0x01]
    #expect(failure(bytes) { reader throws(ProtobufError) in _ = try reader.readVarint() } == .malformedVarint)
  }

  @Test(arguments: 0...9) func `a varint that is cut off is refused`(count: Int) {
    let bytes = [UInt8](repeating: 0xFF, count: count)
    #expect(failure(bytes) { reader throws(ProtobufError) in _ = try reader.readVarint() } == .truncated)
  }

  @Test func `32-bit values keep the low bits`() throws {
    let bytes: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0x7F]
    #expect(try reading(bytes) { reader throws(ProtobufError) in try reader.readInt32() } == -1)
    #expect(try reading(bytes) { reader throws(ProtobufError) in try reader.readUInt32() } == UInt32.max)
    let high: [UInt8] = [0x80, 0x80, 0x80, 0x80, 0x10]
    #expect(try reading(high) { reader throws(ProtobufError) in try reader.readInt32() } == 0)
    #expect(try reading(high) { reader throws(ProtobufError) in try reader.readBool() })
  }

  @Test(
    arguments: [(0, 0), (-1, 1), (1, 2), (-2, 3), (Int32.max, 0xFFFF_FFFE), (Int32.min, 0xFFFF_FFFF)]
      as [(Int32, UInt32)])
  func `zigzag of 32 bits`(value: Int32, encoded: UInt32) throws {
    var writer = ProtobufWriter()
    writer.appendVarint(UInt64(encoded))
    #expect(try reading(writer.bytes) { reader throws(ProtobufError) in try reader.readSInt32() } == value)
    var again = ProtobufWriter()
    ProtobufScalars.SInt32Field.append(value, to: &again)
    #expect(again.bytes == writer.bytes)
  }

  @Test(arguments: [(0, 0), (-1, 1), (Int64.max, UInt64.max - 1), (Int64.min, UInt64.max)] as [(Int64, UInt64)])
  func `zigzag of 64 bits`(value: Int64, encoded: UInt64) throws {
    var writer = ProtobufWriter()
    writer.appendVarint(encoded)
    #expect(try reading(writer.bytes) { reader throws(ProtobufError) in try reader.readSInt64() } == value)
    var again = ProtobufWriter()
    ProtobufScalars.SInt64Field.append(value, to: &again)
    #expect(again.bytes == writer.bytes)
  }

  @Test func `fixed values are little-endian`() throws {
    let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 0xF8]
    #expect(try reading(bytes) { reader throws(ProtobufError) in try reader.readFixed32() } == 0x0403_0201)
    #expect(try reading(bytes) { reader throws(ProtobufError) in try reader.readFixed64() } == 0xF807_0605_0403_0201)
    #expect(failure([1, 2, 3]) { reader throws(ProtobufError) in _ = try reader.readFixed32() } == .truncated)
    #expect(
      failure([1, 2, 3, 4, 5, 6, 7]) { reader throws(ProtobufError) in _ = try reader.readFixed64() } == .truncated)
  }
}

@Suite struct TagTests {
  @Test(
    arguments: [
      [0x00, 0x00],  // field number 0
      [0x07, 0x00],
      [0x0E], [0x0F],  // wire types 6 and 7
      [0x80, 0x80, 0x80, 0x80, 0x10, 0x00],  // a 33rd bit
      [0x88, 0x80, 0x80, 0x80, 0x80, 0x00, 0x00],  // padded to six bytes
    ] as [[UInt8]])
  func `is refused`(bytes: [UInt8]) {
    #expect(failure(bytes) == .invalidTag)
  }

  @Test func `may be padded to five bytes`() {
    #expect(failure([0x88, 0x80, 0x80, 0x80, 0x00, 0x01]) == nil)
  }

  @Test func `the highest number`() throws {
    let field = try reading([0xF8, 0xFF, 0xFF, 0xFF, 0x0F, 0x00]) { reader throws(ProtobufError) in
      try reader.nextField()
    }
    #expect(field?.number == 536_870_911)
    #expect(field?.wireType == .varint)
  }
}

@Suite struct SkipTests {
  @Test(
    arguments: [
      [0x08, 0x96, 0x01], [0x09, 1, 2, 3, 4, 5, 6, 7, 8], [0x0A, 0x02, 1, 2], [0x0D, 1, 2, 3, 4],
      [0x0B, 0x0C], [0x0B, 0x10, 0x01, 0x1B, 0x22, 0x01, 0xFF, 0x1C, 0x0C],
    ] as [[UInt8]])
  func `every wire type, and what follows is read`(bytes: [UInt8]) throws {
    let next = try reading(bytes + [0x50, 0x2A]) { reader throws(ProtobufError) in
      if let field = try reader.nextField() { try reader.skip(field) }
      _ = try reader.nextField()
      return try reader.readInt64()
    }
    #expect(next == 42)
    for count in 1..<bytes.count {
      #expect(failure([UInt8](bytes.prefix(count))) == .truncated)
    }
  }

  @Test(arguments: [[0x0C], [0x0B, 0x14], [0x0B, 0x13, 0x0C, 0x14]] as [[UInt8]])
  func `groups must be balanced`(bytes: [UInt8]) {
    #expect(failure(bytes) == .unbalancedGroup)
  }

  @Test func `a hundred nested groups, no more`() {
    let group = { (depth: Int) in
      [UInt8](repeating: 0x0B, count: depth) + [UInt8](repeating: 0x0C, count: depth)
    }
    #expect(failure(group(100)) == nil)
    #expect(failure(group(101)) == .tooDeep)
    #expect(failure(group(1_000_000)) == .tooDeep)
    // Depth is given back: many groups beside each other are fine.
    #expect(failure([UInt8](repeatElement([0x0B, 0x0C] as [UInt8], count: 500).joined())) == nil)
  }

  @Test func `a length beyond the end is refused, however large`() {
    #expect(failure([0x0A, 0x03, 1, 2]) == .truncated)
    #expect(failure([0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]) == .truncated)
  }

  @Test func `the size limit counts`() {
    let limits = ProtobufLimits(size: 2)
    #expect(failure([0x08, 0x01], limits: limits) == nil)
    #expect(failure([0x08, 0x81, 0x00], limits: limits) == .tooLarge)
  }

  @Test func `an error says where, and nothing of the data`() {
    let error = ProtobufError(.truncated, at: 7)
    #expect(error.message == error.description)
    #expect(error.message.contains("byte 7"))
  }
}
