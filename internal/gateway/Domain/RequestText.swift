internal import Cards

extension String {
  /// Whether there is a control character (C0, DEL, C1): PostgreSQL holds no NUL, and no statement shows the others.
  var hasControlCharacter: Bool { unicodeScalars.contains { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) } }
}

/// Texts that a request may hold.
enum RequestText {
  /// An id or a number of the caller's own: 1 to 255 bytes without control characters.
  static func name(_ text: String, _ field: String) throws(RequestFault) -> String {
    guard !text.isEmpty, !text.hasControlCharacter else {
      throw RequestFault(
        .invalidText, field, "expected 1 to \(PaymentRequest.maximumName) bytes without control characters")
    }
    guard text.utf8.count <= PaymentRequest.maximumName else { throw tooLong(field, PaymentRequest.maximumName) }
    return text
  }

  /// The number of an account: as `name`, and not the number of a card of 15 or 16 digits, as all brands issue them.
  /// Numbers of accounts are longer, shorter or have letters; a few of other lengths happen to look like a card's.
  static func account(_ text: String, _ field: String) throws(RequestFault) -> String {
    let digits = text.utf8.filter { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "-") }
    let isNumber = (15...16).contains(digits.count) && digits.allSatisfy { (0x30...0x39).contains($0) }
    guard !isNumber || !containsCardNumber(digits) else { throw .cardNumber(in: field) }
    return try name(text, field)
  }

  /// Text for people: no control characters and no card number.
  static func prose(_ text: String, _ field: String) throws(RequestFault) -> String {
    guard text.utf8.count <= PaymentRequest.maximumDescription else {
      throw tooLong(field, PaymentRequest.maximumDescription)
    }
    guard !text.hasControlCharacter else {
      throw RequestFault(.invalidText, field, "expected text without control characters")
    }
    guard !containsCardNumber(text.utf8) else { throw .cardNumber(in: field) }
    return text
  }

  private static func tooLong(_ field: String, _ limit: Int) -> RequestFault {
    RequestFault(.textTooLong, field, "expected at most \(limit) bytes")
  }
}

extension RequestFault {
  static func cardNumber(in field: String) -> RequestFault {
    RequestFault(.cardNumberInText, field, "expected text without card numbers")
  }
}
