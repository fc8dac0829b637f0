import SagaSettings
import Settings
import Values

/// The words after a command's name, checked against its options; the command reads its values from here.
struct Arguments: Sendable {
  private let given: [String: String]
  private let command: String
  /// The words after the command's name, for commands that take some.
  let operands: [String]

  init(command: String, given: [String: String], operands: [String]) {
    self.command = command
    self.given = given
    self.operands = operands
  }

  /// The word after the command's name, for commands that take one.
  var operand: String? { operands.first }

  func has(_ option: String) -> Bool { given[option] != nil }

  func text(_ option: String) -> String? { given[option] }

  /// - Throws: a usage error when the option is missing.
  func required(_ option: String) throws(CommandError) -> String {
    guard let value = given[option] else { throw .usage("\(command) needs \(option); paysaga \(command) --help") }
    return value
  }

  /// A whole number in decimal; nil when the option was not given.
  func integer(_ option: String, in range: ClosedRange<Int64>) throws(CommandError) -> Int64? {
    guard let text = given[option] else { return nil }
    return try Self.integer(text, option, in: range)
  }

  static func integer(_ text: String, _ name: String, in range: ClosedRange<Int64>) throws(CommandError) -> Int64 {
    if let value = Int64(text), range.contains(value), !text.hasPrefix("+") { return value }
    throw .usage(
      "\(name) expects a whole number from \(range.lowerBound) to \(range.upperBound), found \"\(printable(text))\"")
  }

  /// The number after `--order`.
  func order() throws(CommandError) -> Int64 {
    try Self.integer(try required("--order"), "--order", in: 1...Int64.max)
  }

  /// One of several words, in any case.
  func choice<Choice: RawRepresentable & CaseIterable>(
    _ option: String, _ type: Choice.Type
  ) throws(CommandError) -> Choice? where Choice.RawValue == String {
    guard let text = given[option] else { return nil }
    if let choice = Choice.allCases.first(where: { $0.rawValue.lowercased() == text.lowercased() }) { return choice }
    let names = Choice.allCases.map(\.rawValue)
    let hint = Spelling.nearest(to: text, among: names).map { "; did you mean \($0)?" } ?? ""
    throw .usage("\(option) expects one of \(names.joined(separator: ", ")), found \"\(printable(text))\"\(hint)")
  }

  /// A duration such as `500ms` or `1m30s`.
  func duration(_ option: String) throws(CommandError) -> Duration? {
    guard let text = given[option] else { return nil }
    guard let value = DurationText.parse(text), value > .zero else {
      throw .usage("\(option) expects a duration such as 500ms, 10s or 1m30s, found \"\(printable(text))\"")
    }
    return value
  }

  /// `HOST:PORT`.
  func address(_ option: String) throws(CommandError) -> NetworkAddress? {
    guard let text = given[option] else { return nil }
    guard let address = NetworkAddress(text), address.port != 0 else {
      throw .usage("\(option) expects HOST:PORT, found \"\(printable(text))\"")
    }
    return address
  }
}
