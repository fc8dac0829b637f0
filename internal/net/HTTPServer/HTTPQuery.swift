/// What stands after the question mark of a request: names with values, decoded, in the order in which they came.
public struct HTTPQuery: Sendable, Hashable {
  /// A name with its value, which is empty where none was given.
  public struct Item: Sendable, Hashable {
    /// Decoded.
    public let name: String
    /// Decoded.
    public let value: String

    /// A name with its value, both decoded.
    public init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  /// All of them; a name may come several times.
  public let items: [Item]

  /// For tests, and for requests without a query.
  public init(_ items: [Item] = []) { self.items = items }

  /// Reads `a=1&b=x%20y`; a plus sign is a space.
  init(_ bytes: some Collection<UInt8>) throws(EncodedText.Fault) {
    var items: [Item] = []
    for part in bytes.split(separator: UInt8(ascii: "&")) {
      let halves = part.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      let name = try EncodedText.decode(halves[0], plusIsSpace: true)
      let value = halves.count == 2 ? try EncodedText.decode(halves[1], plusIsSpace: true) : ""
      items.append(Item(name: name, value: value))
    }
    self.items = items
  }

  /// The first value under a name.
  public subscript(_ name: String) -> String? { items.first { $0.name == name }?.value }

  /// All values under a name; more than one where a caller repeats it, which is for the handler to judge.
  public func values(_ name: String) -> [String] { items.filter { $0.name == name }.map(\.value) }
}
