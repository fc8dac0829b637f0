internal import Values

/// One line before it is put into bytes.
struct LogLine: Sendable {
  var level: LogLevel
  var label: String
  var message: String
  var fields: Logger.Fields
  /// How often it came since it was last written, when that was more than it is written.
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
    VisibleText.append(label, to: &line)
    line += ": ".utf8
    appendPlain(message, to: &line)
    for (name, value) in fields { appendText(name, value, to: &line) }
    if repeated > 0 { appendText("repeated", .number(repeated), to: &line) }
  }

  private func appendText(_ name: String, _ value: LogValue, to line: inout [UInt8]) {
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
    }
  }

  private func appendJSON(to line: inout [UInt8]) {
    line += "{\"time\":\"".utf8
    Timestamp.now().append(to: &line)
    line += "\",\"level\":\"".utf8
    line += level.name.utf8
    line += "\",\"logger\":".utf8
    JSONWriter.appendString(label, to: &line)
    line += ",\"message\":".utf8
    JSONWriter.appendString(message, to: &line)
    for (name, value) in fields { appendJSON(name, value, to: &line) }
    if repeated > 0 { appendJSON("repeated", .number(repeated), to: &line) }
    line.append(UInt8(ascii: "}"))
  }

  private func appendJSON(_ name: String, _ value: LogValue, to line: inout [UInt8]) {
    line.append(UInt8(ascii: ","))
    JSONWriter.appendString(name, to: &line)
    line.append(UInt8(ascii: ":"))
    switch value {
    case .string(let text): JSONWriter.appendString(text, to: &line)
    case .int(let number): line += "\(number)".utf8
    case .double(let number): line += (number.isFinite ? "\(number)" : "null").utf8
    case .bool(let flag): line += (flag ? "true" : "false").utf8
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
