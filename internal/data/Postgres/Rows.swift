internal import CLibpq
public import Values

/// The answer to one command. Readable on any thread.
///
/// What lies in a table is input: a value that cannot be read as what is asked for is an error that names its column.
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
  var columnCount: Int { Int(PQnfields(result)) }

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

/// One row of an answer.
public struct Row: Sendable {
  let rows: Rows
  let index: Int32

  /// Whether the column is NULL. A reader without `optional` in its name throws there.
  @inlinable
  public func isNull(_ column: some AnswerColumn) -> Bool { isNull(at: place(of: column)) }

  /// A `boolean`.
  @inlinable
  public func bool(_ column: some AnswerColumn) throws(DatabaseError) -> Bool { try bool(at: place(of: column)) }

  /// A `smallint`.
  @inlinable
  public func int16(_ column: some AnswerColumn) throws(DatabaseError) -> Int16 { try int16(at: place(of: column)) }

  /// An `integer`.
  @inlinable
  public func int32(_ column: some AnswerColumn) throws(DatabaseError) -> Int32 { try int32(at: place(of: column)) }

  /// A `smallint`, `integer` or `bigint`.
  @inlinable
  public func int64(_ column: some AnswerColumn) throws(DatabaseError) -> Int64 { try int64(at: place(of: column)) }

  /// A `smallint`, `integer` or `bigint`.
  @inlinable
  public func int(_ column: some AnswerColumn) throws(DatabaseError) -> Int { Int(try int64(at: place(of: column))) }

  /// A `double precision`.
  @inlinable
  public func double(_ column: some AnswerColumn) throws(DatabaseError) -> Double {
    try double(at: place(of: column))
  }

  /// A text, varchar, char(n), name, json or enum.
  @inlinable
  public func text(_ column: some AnswerColumn) throws(DatabaseError) -> String { try text(at: place(of: column)) }

  /// A `bytea`, or the bytes of any textual type.
  @inlinable
  public func bytes(_ column: some AnswerColumn) throws(DatabaseError) -> [UInt8] { try bytes(at: place(of: column)) }

  /// A `uuid`.
  @inlinable
  public func uuid(_ column: some AnswerColumn) throws(DatabaseError) -> UniqueID { try uuid(at: place(of: column)) }

  /// A `timestamptz`; `infinity` and `-infinity` become the largest and smallest value.
  @inlinable
  public func timestamp(_ column: some AnswerColumn) throws(DatabaseError) -> Timestamp {
    try timestamp(at: place(of: column))
  }

  /// As `int64`; nil for NULL.
  @inlinable
  public func optionalInt64(_ column: some AnswerColumn) throws(DatabaseError) -> Int64? {
    isNull(column) ? nil : try int64(column)
  }

  /// As `double`; nil for NULL.
  @inlinable
  public func optionalDouble(_ column: some AnswerColumn) throws(DatabaseError) -> Double? {
    isNull(column) ? nil : try double(column)
  }

  /// As `text`; nil for NULL.
  @inlinable
  public func optionalText(_ column: some AnswerColumn) throws(DatabaseError) -> String? {
    isNull(column) ? nil : try text(column)
  }

  /// As `uuid`; nil for NULL.
  @inlinable
  public func optionalUUID(_ column: some AnswerColumn) throws(DatabaseError) -> UniqueID? {
    isNull(column) ? nil : try uuid(column)
  }

  /// As `timestamp`; nil for NULL.
  @inlinable
  public func optionalTimestamp(_ column: some AnswerColumn) throws(DatabaseError) -> Timestamp? {
    isNull(column) ? nil : try timestamp(column)
  }
}

/// Columns by their place, counted from zero.
extension Row {
  @usableFromInline
  func isNull(at column: Int) -> Bool { PQgetisnull(rows.result, index, Int32(column)) == 1 }

  @usableFromInline
  func bool(at column: Int) throws(DatabaseError) -> Bool {
    let byte: UInt8 = try value(column, .bool).bigEndian()
    return byte != 0
  }

  @usableFromInline
  func int16(at column: Int) throws(DatabaseError) -> Int16 { try value(column, .int16).bigEndian() }

  @usableFromInline
  func int32(at column: Int) throws(DatabaseError) -> Int32 { try value(column, .int32).bigEndian() }

  @usableFromInline
  func int64(at column: Int) throws(DatabaseError) -> Int64 {
    switch type(of: column) {
    case .int16: Int64(try int16(at: column))
    case .int32: Int64(try int32(at: column))
    default: try value(column, .int64).bigEndian()
    }
  }

  @usableFromInline
  func double(at column: Int) throws(DatabaseError) -> Double {
    Double(bitPattern: try value(column, .double).bigEndian())
  }

  @usableFromInline
  func text(at column: Int) throws(DatabaseError) -> String {
    String(decoding: try value(column, textual(column, "text")), as: UTF8.self)
  }

  @usableFromInline
  func bytes(at column: Int) throws(DatabaseError) -> [UInt8] {
    Array(try value(column, textual(column, "bytes", or: .bytes)))
  }

  @usableFromInline
  func uuid(at column: Int) throws(DatabaseError) -> UniqueID {
    let bytes = try value(column, .uuid)
    return UniqueID(high: try bytes.bigEndian(), low: try bytes.bigEndian(at: 8))
  }

  @usableFromInline
  func timestamp(at column: Int) throws(DatabaseError) -> Timestamp {
    Timestamp(postgres: try value(column, .timestamp).bigEndian())
  }

  /// The type of a column as the server named it.
  func type(of column: Int) -> TypeID { TypeID(rawValue: PQftype(rows.result, Int32(column))) }

  /// The bytes of a value that is not NULL; they live as long as `rows`.
  func value(_ column: Int, _ expected: TypeID) throws(DatabaseError) -> UnsafeRawBufferPointer {
    let type = type(of: column)
    guard type == expected else { throw wrongType(column, "\(expected.rawValue)") }
    guard !isNull(at: column) else { throw DatabaseError(.content, "\(name(of: column)) is NULL") }
    return UnsafeRawBufferPointer(
      start: PQgetvalue(rows.result, index, Int32(column)), count: Int(PQgetlength(rows.result, index, Int32(column))))
  }

  /// The column as an error names it.
  func name(of column: Int) -> String {
    PQfname(rows.result, Int32(column)).map { String(cString: $0) } ?? "column \(column)"
  }

  private func textual(_ column: Int, _ kind: String, or other: TypeID? = nil) throws(DatabaseError) -> TypeID {
    let type = type(of: column)
    guard type.isTextual || type == other else { throw wrongType(column, kind) }
    return type
  }

  private func wrongType(_ column: Int, _ expected: String) -> DatabaseError {
    DatabaseError(
      .schema,
      "\(name(of: column)) has the type with number \(type(of: column).rawValue) in pg_type, expected \(expected)")
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
  /// The big-endian integer at `offset`.
  /// - Throws: `protocolViolation` when it is out of bounds.
  func bigEndian<Integer: FixedWidthInteger>(at offset: Int = 0) throws(DatabaseError) -> Integer {
    guard offset + MemoryLayout<Integer>.size <= count else {
      throw DatabaseError(.protocolViolation, "a binary value is shorter than its type")
    }
    return Integer(bigEndian: loadUnaligned(fromByteOffset: offset, as: Integer.self))
  }
}
