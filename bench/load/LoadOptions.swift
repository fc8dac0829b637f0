/// `--name value` pairs.
struct LoadOptions {
  private var values: [String: String] = [:]

  init(_ arguments: some Sequence<String>) {
    var rest = Array(arguments)[...]
    while let name = rest.popFirst() {
      guard name.hasPrefix("--"), let value = rest.popFirst() else { fail("expected --name value, found \(name)") }
      values[String(name.dropFirst(2))] = value
    }
  }

  /// The value of an option that must be there.
  func text(_ name: String) -> String {
    guard let value = values[name] else { fail("--\(name) is missing") }
    return value
  }

  /// A number of at least 0.
  func number(_ name: String, default standard: Int? = nil) -> Int {
    guard let text = values[name] else {
      guard let standard else { fail("--\(name) is missing") }
      return standard
    }
    guard let number = Int(text), number >= 0 else { fail("--\(name) expects a number, found \(text)") }
    return number
  }
}
