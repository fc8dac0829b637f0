internal import Values

/// The two looks of a log line.
enum LogLine {
  static func appendText(
    _ level: LogLevel, _ label: String, _ message: String, _ fields: Logger.Fields, to line: inout [UInt8]
  ) {
    Timestamp.now().append(to: &line)
    line.append(UInt8(ascii: " "))
    line += level.name.utf8
    line.append(UInt8(ascii: " "))
    line += label.utf8
    line += ": ".utf8
    appendPlain(message, to: &line)
    for (name, value) in fields {
      line.append(UInt8(ascii: " "))
      line += name.utf8
      line.append(UInt8(ascii: "="))
      switch value {
      case .string(let text):
        let isBare = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != 0x7F }
        if isBare { line += text.utf8 } else { JSONWriter.appendString(text, to: &line) }
      case .int(let number): line += "\(number)".utf8
      case .double(let number): line += "\(number)".utf8
      case .bool(let flag): line += (flag ? "true" : "false").utf8
      }
    }
  }

  static func appendJSON(
    _ level: LogLevel, _ label: String, _ message: String, _ fields: Logger.Fields, to line: inout [UInt8]
  ) {
    line += "{\"time\":\"".utf8
    Timestamp.now().append(to: &line)
    line += "\",\"level\":\"".utf8
    line += level.name.utf8
    line += "\",\"logger\":".utf8
    JSONWriter.appendString(label, to: &line)
    line += ",\"message\":".utf8
    JSONWriter.appendString(message, to: &line)
    for (name, value) in fields {
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
    line.append(UInt8(ascii: "}"))
  }

  /// Control characters become spaces, so that one message is one line.
  private static func appendPlain(_ text: String, to line: inout [UInt8]) {
    for byte in text.utf8 { line.append(byte < 0x20 || byte == 0x7F ? UInt8(ascii: " ") : byte) }
  }
}
