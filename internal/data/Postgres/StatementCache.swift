/// Which statements a connection has prepared, under which names and parameter types. Pure bookkeeping.
///
/// A statement used with other types is prepared again under another name; an untyped NULL fits every type.
/// When the limit is reached, further statements are run unnamed.
struct StatementCache {
  struct Key: Hashable, Sendable {
    let statement: UInt64
    let variant: Int
  }
  private struct Variant {
    let name: String
    let types: [UInt32]
    let number: Int
  }

  static let defaultLimit = 256

  private var variants: [UInt64: [Variant]] = [:]
  private let limit: Int
  private var count = 0
  private var made = 0

  init(limit: Int = StatementCache.defaultLimit) { self.limit = limit }

  enum Decision: Equatable {
    /// Prepared, or about to be by what was sent before.
    case use(name: String)
    /// Prepare it first, under this name.
    case prepare(name: String, key: Key)
    /// No room is left.
    case unnamed
  }

  /// What to do for a statement with parameters of `types`; a `.prepare` counts as under way from here.
  mutating func decide(_ statement: UInt64, types: [UInt32]) -> Decision {
    if let variant = variants[statement]?.first(where: { Self.fits(types, $0.types) }) {
      return .use(name: variant.name)
    }
    guard count < limit else { return .unnamed }
    made += 1
    count += 1
    let variant = Variant(name: "p\(made)", types: types, number: made)
    variants[statement, default: []].append(variant)
    return .prepare(name: variant.name, key: Key(statement: statement, variant: made))
  }

  /// The server does not have it after all.
  mutating func forget(_ key: Key) {
    guard let index = variants[key.statement]?.firstIndex(where: { $0.number == key.variant }) else { return }
    variants[key.statement]?.remove(at: index)
    count -= 1
  }

  /// Types given as 0 are NULLs of any type.
  private static func fits(_ types: [UInt32], _ prepared: [UInt32]) -> Bool {
    types.count == prepared.count && zip(types, prepared).allSatisfy { $0 == $1 || $0 == 0 }
  }
}
