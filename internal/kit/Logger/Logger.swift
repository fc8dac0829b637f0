internal import Glibc

/// The levels of log lines.
public enum LogLevel: Int, Sendable, Comparable, CaseIterable {
  case debug, info, warning, error

  public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }

  /// The name in settings and in log lines: `debug`, `info`, `warning`, `error`.
  public var name: String { "\(self)" }
}

/// The formats of log lines.
public enum LogFormat: String, Sendable, CaseIterable {
  /// `2026-01-31T08:15:00.000250Z info program/0.2.0 relay: took over shards count=64`
  case text
  /// One JSON object a line with `time`, `level`, `logger`, `program`, `version`, `message` and the fields.
  case json
}

/// A value of a log field.
public enum LogValue: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral
{
  case string(String)
  case int(Int64)
  case double(Double)
  case bool(Bool)
  /// Nothing: the field is left out of the line.
  case absent

  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int64) { self = .int(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }

  /// A number, from any integer type; nil is left out.
  public static func number(_ value: (some BinaryInteger)?) -> LogValue {
    value.map { .int(Int64(clamping: $0)) } ?? .absent
  }
  /// The printed form of a value, nil is left out; for errors, only their safe `description`.
  public static func describing(_ value: (some CustomStringConvertible)?) -> LogValue {
    value.map { .string($0.description) } ?? .absent
  }
  /// An error's safe description.
  public static func error(_ error: any Error) -> LogValue { .string("\(error)") }
}

/// Makes log lines. They are written by a thread of their own (`LogWriter`): a call costs about a microsecond and never
/// waits for whoever reads the log. Callable on any thread.
///
/// Never hand it a secret: settings mask theirs, and errors keep data out of their `description`.
public struct Logger: Sendable {
  /// The fields of a line, written in this order.
  public typealias Fields = KeyValuePairs<String, LogValue>

  /// The program that logs: each line names it, so that lines of many programs can be kept together.
  public struct Program: Sendable, Hashable {
    /// The program's name.
    public let name: String
    /// Its version.
    public let version: String

    /// - Parameters:
    ///   - name: the program's name.
    ///   - version: its version.
    public init(name: String, version: String) {
      self.name = name
      self.version = version
    }
  }

  private enum Output: Sendable {
    case writer(LogWriter)
    case sink(@Sendable ([UInt8]) -> Void)
  }

  /// The part of the program that logs, such as `relay`.
  public let label: String
  private let level: LogLevel
  private let format: LogFormat
  private let program: Program?
  private let output: Output

  private init(label: String, level: LogLevel, format: LogFormat, program: Program?, output: Output) {
    self.program = program
    self.label = label
    self.level = level
    self.format = format
    self.output = output
  }

  /// - Parameters:
  ///   - label: the part of the program that speaks, such as `relay`.
  ///   - program: the program that each line names; nil for a library alone.
  ///   - writer: writes the lines; flush it before the program ends.
  public init(
    label: String, level: LogLevel = .info, format: LogFormat = .text, program: Program? = nil,
    writer: LogWriter = .standardError
  ) {
    self.init(label: label, level: level, format: format, program: program, output: .writer(writer))
  }

  /// - Parameter sink: takes each whole line with its newline, on the thread that logs; lines that repeat too.
  public init(
    label: String, level: LogLevel = .info, format: LogFormat = .text, program: Program? = nil,
    sink: @escaping @Sendable ([UInt8]) -> Void
  ) {
    self.init(label: label, level: level, format: format, program: program, output: .sink(sink))
  }

  /// The same log under another label.
  public func labelled(_ label: String) -> Logger {
    Logger(label: label, level: level, format: format, program: program, output: output)
  }

  /// The same log, but nothing below `level`.
  public func atLeast(_ level: LogLevel) -> Logger {
    Logger(label: label, level: max(self.level, level), format: format, program: program, output: output)
  }

  /// Logs what helps to find a fault. Below the minimum level neither message nor fields are evaluated; that holds for
  /// all four levels.
  public func debug(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
    if level <= .debug { write(.debug, message(), fields()) }
  }

  /// Logs what an operator may want to know: starts, stops, changes of ownership.
  public func info(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
    if level <= .info { write(.info, message(), fields()) }
  }

  /// Logs trouble that the program copes with, such as an outage it waits for.
  public func warning(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
    if level <= .warning { write(.warning, message(), fields()) }
  }

  /// Logs trouble that somebody must look at.
  public func error(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
    if level <= .error { write(.error, message(), fields()) }
  }

  /// Ends the process with status 1, once this line and all before it are written or nobody reads them: for what only a
  /// restart can mend. A crash would lose lines, since a thread of its own writes them.
  public func endProcess(_ message: String, _ fields: Fields = [:]) -> Never {
    error(message, fields)
    if case .writer(let writer) = output { writer.flush() }
    // Not exit: what libraries registered for it would run beside their own threads.
    _exit(1)
  }

  private func write(_ level: LogLevel, _ message: String, _ fields: Fields) {
    let line = LogLine(level: level, label: label, message: message, fields: fields, program: program)
    switch output {
    case .writer(let writer): writer.write(line, format)
    case .sink(let sink): sink(line.bytes(format))
    }
  }
}
