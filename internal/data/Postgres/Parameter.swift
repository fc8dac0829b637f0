public import Values

/// A value for `$1`, `$2` …, sent in PostgreSQL's binary format under an explicit type.
///
/// There is no implicit conversion of what is sent: an enum type takes text through a cast in the SQL
/// (`$1::text::mood`), a `json` column likewise. Text must not hold a NUL character.
public enum Parameter: Sendable {
  /// NULL of a type that the server infers.
  case null
  /// NULL of a given type; `textOrNull` and `timestampOrNull` make it.
  case typedNull(TypeID)
  case bool(Bool)
  case int16(Int16)
  case int32(Int32)
  case int64(Int64)
  case double(Double)
  case text(String)
  case bytes([UInt8])
  case uuid(UniqueID)
  /// `timestamptz`.
  case timestamp(Timestamp)
  /// `interval`, in whole microseconds.
  case interval(Duration)
  case boolArray([Bool])
  case int16Array([Int16])
  case int32Array([Int32])
  case int64Array([Int64])
  case textArray([String])
  case optionalTextArray([String?])
  case bytesArray([[UInt8]])
  case optionalBytesArray([[UInt8]?])
  case uuidArray([UniqueID])
  case optionalUUIDArray([UniqueID?])
  case timestampArray([Timestamp])
  case optionalTimestampArray([Timestamp?])
  case optionalInt64Array([Int64?])

  /// A `text`, or NULL of that type.
  public static func textOrNull(_ value: String?) -> Parameter { value.map { .text($0) } ?? .typedNull(.text) }
  /// A `timestamptz`, or NULL of that type.
  public static func timestampOrNull(_ value: Timestamp?) -> Parameter {
    value.map { .timestamp($0) } ?? .typedNull(.timestamp)
  }

  /// The type it is sent as; `.unspecified` lets the server infer it.
  var type: TypeID {
    switch self {
    case .null: .unspecified
    case .typedNull(let type): type
    case .bool: .bool
    case .int16: .int16
    case .int32: .int32
    case .int64: .int64
    case .double: .double
    case .text: .text
    case .bytes: .bytes
    case .uuid: .uuid
    case .timestamp: .timestamp
    case .interval: .interval
    case .boolArray: .boolArray
    case .int16Array: .int16Array
    case .int32Array: .int32Array
    case .int64Array, .optionalInt64Array: .int64Array
    case .textArray, .optionalTextArray: .textArray
    case .bytesArray, .optionalBytesArray: .bytesArray
    case .uuidArray, .optionalUUIDArray: .uuidArray
    case .timestampArray, .optionalTimestampArray: .timestampArray
    }
  }
}

/// The number of a PostgreSQL type, `pg_type.oid`; built-in types have fixed ones (pg_type.dat).
public struct TypeID: Sendable, Hashable {
  public let rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Left to the server.
  public static let unspecified = TypeID(rawValue: 0)
  /// `boolean`
  public static let bool = TypeID(rawValue: 16)
  /// `bytea`
  public static let bytes = TypeID(rawValue: 17)
  /// `bigint`
  public static let int64 = TypeID(rawValue: 20)
  /// `smallint`
  public static let int16 = TypeID(rawValue: 21)
  /// `integer`
  public static let int32 = TypeID(rawValue: 23)
  /// `text`
  public static let text = TypeID(rawValue: 25)
  /// `double precision`
  public static let double = TypeID(rawValue: 701)
  /// `timestamptz`
  public static let timestamp = TypeID(rawValue: 1184)
  /// `interval`
  public static let interval = TypeID(rawValue: 1186)
  /// `uuid`
  public static let uuid = TypeID(rawValue: 2950)
  /// `boolean[]`
  public static let boolArray = TypeID(rawValue: 1000)
  /// `bytea[]`
  public static let bytesArray = TypeID(rawValue: 1001)
  /// `smallint[]`
  public static let int16Array = TypeID(rawValue: 1005)
  /// `integer[]`
  public static let int32Array = TypeID(rawValue: 1007)
  /// `text[]`
  public static let textArray = TypeID(rawValue: 1009)
  /// `bigint[]`
  public static let int64Array = TypeID(rawValue: 1016)
  /// `timestamptz[]`
  public static let timestampArray = TypeID(rawValue: 1185)
  /// `uuid[]`
  public static let uuidArray = TypeID(rawValue: 2951)

  /// Types whose binary form is their text: text, varchar, char(n), name, "char", json, unknown, and the user's own
  /// (enums; their numbers start at 16384).
  var isTextual: Bool {
    switch rawValue {
    case 18, 19, 25, 114, 705, 1042, 1043: true
    default: rawValue >= 16_384
    }
  }
}
