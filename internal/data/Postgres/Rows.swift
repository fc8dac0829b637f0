internal import CLibpq
public import Values

/// The answer to one command. Readable on any thread.
///
/// Asking for a column under a type it does not have is our bug and stops the program.
public final class Rows: @unchecked Sendable {
  // @unchecked: "PGresult objects are normally read-only after creation, and so can be passed around freely between
  // threads" (PostgreSQL manual, 34.20).
  let result: OpaquePointer
  /// How many rows came back.
  public let count: Int

  /// Takes over `result`.
  init(_ result: OpaquePointer) {
    self.result = result
    count = Int(PQntuples(result))
  }

  deinit { PQclear(result) }

  /// How many rows an INSERT, UPDATE, DELETE or SELECT touched.
  public var affected: Int {
    guard let text = PQcmdTuples(result) else { return 0 }
    return Int(String(cString: text)) ?? 0
  }

  /// The command's tag without its counts, such as `COMMIT`.
  var tag: String { PQcmdStatus(result).map { String(cString: $0) } ?? "" }

  /// How many columns a row has.
  public var columnCount: Int { Int(PQnfields(result)) }

  /// The row at `index`, counted from zero.
  public subscript(index: Int) -> Row {
    precondition(index >= 0 && index < count, "row \(index) of \(count)")
    return Row(rows: self, index: Int32(index))
  }

  /// The only row; our bug when there is another number of them.
  public var only: Row {
    precondition(count == 1, "expected one row, found \(count)")
    return self[0]
  }
}

extension Rows: RandomAccessCollection {
  public var startIndex: Int { 0 }
  public var endIndex: Int { count }
}

/// One row of an answer; columns are counted from zero.
public struct Row: Sendable {
  let rows: Rows
  let index: Int32

  public func isNull(_ column: Int) -> Bool { PQgetisnull(rows.result, index, Int32(column)) == 1 }

  public func bool(_ column: Int) -> Bool { value(column, .bool).load(as: UInt8.self) != 0 }
  public func int16(_ column: Int) -> Int16 { value(column, .int16).bigEndian() }
  public func int32(_ column: Int) -> Int32 { value(column, .int32).bigEndian() }
  public func double(_ column: Int) -> Double { Double(bitPattern: value(column, .double).bigEndian()) }

  /// A `smallint`, `integer` or `bigint`.
  public func int64(_ column: Int) -> Int64 {
    switch type(of: column) {
    case .int16: Int64(int16(column))
    case .int32: Int64(int32(column))
    default: value(column, .int64).bigEndian()
    }
  }

  /// A `smallint`, `integer` or `bigint`.
  public func int(_ column: Int) -> Int { Int(int64(column)) }

  /// A text, varchar, char(n), name, json or enum.
  public func text(_ column: Int) -> String {
    let type = type(of: column)
    precondition(type.isTextual, "column \(column) has type \(type.rawValue), which is not text")
    return String(decoding: value(column, type), as: UTF8.self)
  }

  /// A `bytea`, or the bytes of any textual type.
  public func bytes(_ column: Int) -> [UInt8] {
    let type = type(of: column)
    precondition(type == .bytes || type.isTextual, "column \(column) has type \(type.rawValue), which is not bytes")
    return Array(value(column, type))
  }

  /// Appends the bytes of a `bytea` or textual column, without a copy in between.
  public func appendBytes(_ column: Int, to bytes: inout [UInt8]) {
    let type = type(of: column)
    precondition(type == .bytes || type.isTextual, "column \(column) has type \(type.rawValue), which is not bytes")
    bytes.append(contentsOf: value(column, type))
  }

  public func uuid(_ column: Int) -> UniqueID {
    let bytes = value(column, .uuid)
    return UniqueID(high: bytes.bigEndian(), low: bytes.bigEndian(at: 8))
  }

  /// A `timestamptz`; `infinity` and `-infinity` become the largest and smallest value.
  public func timestamp(_ column: Int) -> Timestamp { Timestamp(postgres: value(column, .timestamp).bigEndian()) }

  public func optionalBool(_ column: Int) -> Bool? { isNull(column) ? nil : bool(column) }
  public func optionalInt16(_ column: Int) -> Int16? { isNull(column) ? nil : int16(column) }
  public func optionalInt32(_ column: Int) -> Int32? { isNull(column) ? nil : int32(column) }
  public func optionalInt64(_ column: Int) -> Int64? { isNull(column) ? nil : int64(column) }
  public func optionalDouble(_ column: Int) -> Double? { isNull(column) ? nil : double(column) }
  public func optionalText(_ column: Int) -> String? { isNull(column) ? nil : text(column) }
  public func optionalBytes(_ column: Int) -> [UInt8]? { isNull(column) ? nil : bytes(column) }
  public func optionalUUID(_ column: Int) -> UniqueID? { isNull(column) ? nil : uuid(column) }
  public func optionalTimestamp(_ column: Int) -> Timestamp? { isNull(column) ? nil : timestamp(column) }

  /// The type of a column as the server named it.
  func type(of column: Int) -> TypeID { TypeID(rawValue: PQftype(rows.result, Int32(column))) }

  /// The bytes of a value that is not NULL; they live as long as `rows`.
  func value(_ column: Int, _ expected: TypeID) -> UnsafeRawBufferPointer {
    let type = type(of: column)
    precondition(type == expected, "column \(column) has type \(type.rawValue), asked for as \(expected.rawValue)")
    precondition(!isNull(column), "column \(column) is NULL; ask with optional…")
    return UnsafeRawBufferPointer(
      start: PQgetvalue(rows.result, index, Int32(column)), count: Int(PQgetlength(rows.result, index, Int32(column))))
  }
}

extension Timestamp {
  /// From microseconds since 2000-01-01, PostgreSQL's epoch; its infinities saturate.
  init(postgres microseconds: Int64) {
    let (sum, overflow) = microseconds.addingReportingOverflow(BinaryFormat.epochMicroseconds)
    self.init(microseconds: overflow ? .max : microseconds == .min ? .min : sum)
  }
}

extension UnsafeRawBufferPointer {
  /// The big-endian integer at `offset`; out of bounds is a violation of the protocol that we cannot go on from.
  func bigEndian<Integer: FixedWidthInteger>(at offset: Int = 0) -> Integer {
    precondition(offset + MemoryLayout<Integer>.size <= count, "a binary value is shorter than its type")
    return Integer(bigEndian: loadUnaligned(fromByteOffset: offset, as: Integer.self))
  }
}
