internal import Cards
public import Values

/// Names and values that a caller attaches to a payment.
public struct PaymentMetadata: Sendable, Hashable, JSONRepresentable {
  /// The most names.
  public static let maximumNames = 50
  /// The longest name, in bytes.
  public static let maximumName = 40
  /// The longest value, in bytes.
  public static let maximumValue = 500

  private static let field = "metadata"

  private struct Item: Sendable, Hashable {
    let name: String
    let value: String
  }

  /// By ascending name.
  private let items: [Item]

  /// Nothing.
  public static let empty = PaymentMetadata(items: [])

  /// Whether there is nothing.
  public var isEmpty: Bool { items.isEmpty }

  private init(items: [Item]) { self.items = items }

  /// Reads the object that comes next, and checks it. The fault shows none of the names.
  init(reading scanner: inout JSONScanner) throws(RequestFault) {
    do throws(JSONError) {
      items = try Self.items(&scanner)
    } catch  where error.code == .tooManyFields {
      throw Self.tooLarge
    } catch {
      throw RequestFault(error, in: Self.field, fields: [])
    }
    guard items.count <= Self.maximumNames else { throw Self.tooLarge }
    for item in items {
      guard (1...Self.maximumName).contains(item.name.utf8.count), item.value.utf8.count <= Self.maximumValue else {
        throw Self.tooLarge
      }
      guard !item.name.hasControlCharacter, !item.value.hasControlCharacter else {
        throw RequestFault(.invalidText, Self.field, "expected text without control characters")
      }
      guard !containsCardNumber(item.name.utf8), !containsCardNumber(item.value.utf8) else {
        throw .cardNumber(in: Self.field)
      }
    }
  }

  /// What `appendJSON` wrote, from a table.
  public init(stored text: [UInt8]) throws(JSONError) {
    var scanner = try JSONScanner(text, maximumBytes: PaymentRequest.maximumBytes)
    items = try Self.items(&scanner)
    try scanner.end()
  }

  private static func items(_ scanner: inout JSONScanner) throws(JSONError) -> [Item] {
    var items: [Item] = []
    try scanner.beginObject()
    while let name = try scanner.nextKey() { items.append(Item(name: name, value: try scanner.string())) }
    return items.sorted { $0.name < $1.name }
  }

  private static var tooLarge: RequestFault {
    RequestFault(
      .metadataTooLarge, field,
      "expected at most \(maximumNames) names of 1 to \(maximumName) bytes, with values of at most \(maximumValue)")
  }

  /// Appends an object of strings, by ascending name.
  public func appendJSON(to bytes: inout [UInt8]) {
    JSONWriter.appendObject(to: &bytes) { object in
      for item in items { object.add(named: item.name, item.value) }
    }
  }
}
