public import Values

/// One line before it is put into bytes.
struct LogLine: Sendable {
  var level: LogLevel
  var label: String
  var message: String
  var fields: Logger.Fields
  /// The program that logs; nil in a library's tests.
  var program: Logger.Program?
  /// Number of repetitions since it was last written; 0 when each was written.
  var repeated = 0

  /// The whole line with its newline.
  func bytes(_ format: LogFormat) -> [UInt8] {
    var line: [UInt8] = []
    line.reserveCapacity(160)
    switch format {
    case .text: appendText(to: &line)
    case .json: appendJSON(to: &line)
    }
    line.append(UInt8(ascii: "\n"))
    return line
  }

  private func appendText(to line: inout [UInt8]) {
    Timestamp.now().append(to: &line)
    line.append(UInt8(ascii: " "))
    line += level.name.utf8
    line.append(UInt8(ascii: " "))
    if let program {
      VisibleText.append(program.name, to: &line)
      line.append(UInt8(ascii: "/"))
      VisibleText.append(program.version, to: &line)
      line.append(UInt8(ascii: " "))
    }
    VisibleText.append(label, to: &line)
    line += ": ".utf8
    appendPlain(message, to: &line)
    for (name, value) in fields { appendText(name, value, to: &line) }
    if repeated > 0 { appendText("repeated", .number(repeated), to: &line) }
  }

  private func appendText(_ name: String, _ value: LogValue, to line: inout [UInt8]) {
    if value == .absent { return }
    line.append(UInt8(ascii: " "))
    line += name.utf8
    line.append(UInt8(ascii: "="))
    switch value {
    case .string(let text):
      let isBare = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != 0x7F }
      if isBare { VisibleText.append(text, to: &line) } else { JSONWriter.appendString(text, to: &line) }
    case .int(let number): line += "\(number)".utf8
    case .double(let number): line += "\(number)".utf8
    case .bool(let flag): line += (flag ? "true" : "false").utf8
    case .absent: break
    }
  }

  private func appendJSON(to line: inout [UInt8]) {
    JSONWriter.appendObject(to: &line) { line in
      line.add("time", Timestamp.now())
      line.add("level", level.name)
      line.add("logger", label)
      if let program {
        line.add("program", program.name)
        line.add("version", program.version)
      }
      line.add("message", message)
      for (name, value) in fields where value != .absent { line.add(named: name, value) }
      if repeated > 0 { line.add("repeated", repeated) }
    }
  }

  /// Line breaks and tabs become spaces, so that a message written in several lines reads as one.
  private func appendPlain(_ text: String, to line: inout [UInt8]) {
    let isBroken = text.utf8.contains { (0x09...0x0D).contains($0) }
    guard isBroken else { return VisibleText.append(text, to: &line) }
    let bytes = text.utf8.map { (0x09...0x0D).contains($0) ? UInt8(ascii: " ") : $0 }
    bytes.withUnsafeBufferPointer { VisibleText.append($0, to: &line) }
  }
}

extension LogValue: JSONRepresentable {
  /// Appends the value as a JSON log line has it.
  public func appendJSON(to bytes: inout [UInt8]) {
    switch self {
    case .string(let text): text.appendJSON(to: &bytes)
    case .int(let number): number.appendJSON(to: &bytes)
    case .double(let number): number.appendJSON(to: &bytes)
    case .bool(let flag): flag.appendJSON(to: &bytes)
    case .absent: bytes += "null".utf8
    }
  }
}
