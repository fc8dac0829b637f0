import Bank
import Foundation
import Money
import ProcessingDomain
import Values

/// An answer of the bank: the first byte says to which call and with which status, the first line is the media type,
/// the rest the body. What counts must be said by the body, as Foundation reads it, about this payment.
enum BankTarget {
  private static let operation = UniqueID(high: 5, low: 1)
  private static let user = UniqueID(high: 2, low: 2)
  private static let statuses = [200, 404, 500, 401, 201, 302, 429, 204]

  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    guard let first = input.first else { return }
    let call = BankCall.allCases[Int(first) % 3]
    let status = statuses[Int(first) / 3 % statuses.count]
    let rest = input.dropFirst()
    let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
    let type = String(decoding: rest[..<end], as: UTF8.self)
    let body = Array(rest[end...].dropFirst())
    let amount = Money(minorUnits: 1_999, Currency("EUR")!)  // a code that there is
    let reader = BankAnswerReader(call, operationID: operation, userID: user, amount: amount)
    let reading = reader.read(status: status, mediaType: type.isEmpty ? nil : type, body: body)
    try check(reading.reply)
    // Foundation drops a byte order mark at the start of a name.
    if reading.reply.answer != .unclear, !body.contains([0xEF, 0xBB, 0xBF]) {
      try require(reading.isFromBank, "an answer that is nobody's counts")
      try require(type.lowercased().contains("application/json"), "\(type) counts as JSON")
      try check(reading.reply, call, status, body)
    }
  }

  private static func check(_ reply: BankReply) throws(FuzzFinding) {
    try require(reply.detail.utf8.count <= BankAnswerReader.maximumDetail, "a detail that is too long")
    let isVisible = reply.detail.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }
    try require(isVisible, "a control character in a detail")
    if let token = reply.token {
      try require(reply.answer == .approved && (1...255).contains(token.utf8.count), "a token that is none")
    }
  }

  private static func check(_ reply: BankReply, _ call: BankCall, _ status: Int, _ body: [UInt8]) throws(FuzzFinding) {
    guard let fields = (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any] else {
      throw FuzzFinding("\(reply.answer) by what is no object")
    }
    let id = fields["operation_id"] as? String
    try require(id?.lowercased() == "\(operation)", "\(reply.answer) about another operation")
    if reply.answer == .noSuchPayment {
      try require(status == 404 && call != .charge, "no such payment by status \(status)")
      try require(fields["error"] as? String == "no such payment", "no such payment by other words")
      return
    }
    let words: [BankAnswer: String] = [.approved: "succeed", .declined: "error", .reversed: "reversed"]
    try require(status == 200 && fields["status"] as? String == words[reply.answer], "\(reply.answer) by other words")
    if let other = fields["user_id"] as? String {
      try require(other.lowercased() == "\(user)", "\(reply.answer) about another user")
    }
    let hasAmount = fields["amount"].map { !($0 is NSNull) } ?? false
    guard reply.answer != .reversed || hasAmount else { return }
    try require(fields["currency"] as? String == "EUR", "\(reply.answer) in another currency")
    let text = (fields["amount"] as? String) ?? (fields["amount"] as? NSNumber)?.stringValue
    try require(text == "19.99", "\(reply.answer) of another amount: \(text ?? "none")")
  }
}
