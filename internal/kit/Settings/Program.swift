/// A program that reads settings. Each context names its own.
public struct Program: Sendable, Hashable {
  /// The executable's name.
  public let name: String
  /// The word for it in tables.
  public let short: String
  /// One line on what it does, for `--help`.
  public let summary: String

  /// - Parameters:
  ///   - name: the executable's name.
  ///   - short: the word for it in tables.
  ///   - summary: one line, without a full stop.
  public init(name: String, short: String, summary: String) {
    self.name = name
    self.short = short
    self.summary = summary
  }
}
