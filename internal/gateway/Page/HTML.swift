internal import Values

/// HTML text. What is interpolated is plain text, and escaped, unless it is HTML itself: nobody's text becomes markup.
struct HTML: ExpressibleByStringInterpolation, Sendable, Hashable {
  /// Markup.
  let text: String

  /// No markup.
  static let nothing: HTML = ""

  init(stringLiteral value: String) { text = value }

  init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }

  private init(markup: String) { text = markup }

  /// The parts behind each other.
  static func all(_ parts: [HTML]) -> HTML { HTML(markup: parts.map(\.text).joined()) }

  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    init(literalCapacity: Int, interpolationCount: Int) {
      text.reserveCapacity(literalCapacity + 32 * interpolationCount)
    }

    mutating func appendLiteral(_ literal: String) { text += literal }

    mutating func appendInterpolation(_ html: HTML) { text += html.text }

    mutating func appendInterpolation(_ parts: [HTML]) { for part in parts { text += part.text } }

    mutating func appendInterpolation(_ value: String) { text += HTML.escaped(value) }

    mutating func appendInterpolation(_ value: some BinaryInteger) { text += String(value) }

    mutating func appendInterpolation(_ id: UniqueID) { text += id.description }
  }

  /// Text that stands for itself between tags and in quoted attributes. Hidden characters are shown: they could turn
  /// the direction of what stands beside them.
  private static func escaped(_ value: String) -> String {
    let visible = VisibleText.escaped(value)
    guard visible.utf8.contains(where: { special($0) != nil }) else { return visible }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(visible.utf8.count + 32)
    for byte in visible.utf8 { if let entity = special(byte) { bytes += entity.utf8 } else { bytes.append(byte) } }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func special(_ byte: UInt8) -> String? {
    switch byte {
    case UInt8(ascii: "&"): "&amp;"
    case UInt8(ascii: "<"): "&lt;"
    case UInt8(ascii: ">"): "&gt;"
    case UInt8(ascii: "\""): "&quot;"
    case UInt8(ascii: "'"): "&#39;"
    default: nil
    }
  }
}

extension Optional where Wrapped == HTML {
  /// The markup, or none.
  var orNothing: HTML { self ?? .nothing }
}
