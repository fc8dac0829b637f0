internal import Glibc

/// How much of the log is written.
public enum LogLevel: Int, Sendable, Comparable, CaseIterable {
  case debug, info, warning, error

  public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }

  /// The name in settings and in log lines: `debug`, `info`, `warning`, `error`.
  public var name: String { "\(self)" }
}

/// How a log line looks.
public enum LogFormat: String, Sendable, CaseIterable {
  /// `2026-01-31T08:15:00.000250Z info relay: took over shards count=64`
  case text
  /// One JSON object a line with `time`, `level`, `logger`, `message` and the fields.
  case json
}

/// A value of a log field.
public enum LogValue: Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
  case string(String)
  case int(Int64)
  case double(Double)
  case bool(Bool)

  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int64) { self = .int(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }

  /// A number, from any integer type.
  public static func number(_ value: some BinaryInteger) -> LogValue { .int(Int64(clamping: value)) }
  /// What the value prints as; for errors, only their safe `description`.
  public static func describing(_ value: some CustomStringConvertible) -> LogValue { .string(value.description) }
  /// An error's safe description.
  public static func error(_ error: any Error) -> LogValue { .string("\(error)") }
}

/// Writes log lines, each with one `write(2)`, so that lines of several threads never mix. Callable on any thread.
///
/// Never hand it a secret: settings mask theirs, and errors keep data out of their `description`.
public struct Logger: Sendable {
  public typealias Fields = KeyValuePairs<String, LogValue>

  public let label: String
  private let level: LogLevel
  private let format: LogFormat
  private let sink: @Sendable ([UInt8]) -> Void

  /// - Parameters:
  ///   - label: the part of the program that speaks, such as `relay`.
  ///   - sink: takes one whole line with its newline; standard error unless a test gives another.
  public init(
    label: String, level: LogLevel = .info, format: LogFormat = .text,
    sink: @escaping @Sendable ([UInt8]) -> Void = writeToStandardError
  ) {
    self.label = label
    self.level = level
    self.format = format
    self.sink = sink
  }

  /// The same log under another label.
  public func labelled(_ label: String) -> Logger {
    Logger(label: label, level: level, format: format, sink: sink)
  }

  public func debug(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
    if level <= .debug { write(.debug, message(), fields()) }
  }

  public func info(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
    if level <= .info { write(.info, message(), fields()) }
  }

  public func warning(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
    if level <= .warning { write(.warning, message(), fields()) }
  }

  public func error(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
    if level <= .error { write(.error, message(), fields()) }
  }

  private func write(_ level: LogLevel, _ message: String, _ fields: Fields) {
    var line: [UInt8] = []
    line.reserveCapacity(160)
    switch format {
    case .text: LogLine.appendText(level, label, message, fields, to: &line)
    case .json: LogLine.appendJSON(level, label, message, fields, to: &line)
    }
    line.append(UInt8(ascii: "\n"))
    sink(line)
  }
}

/// The sink of a running program. A log that cannot be written is dropped: it must never stop a payment.
public func writeToStandardError(_ line: [UInt8]) {
  _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
