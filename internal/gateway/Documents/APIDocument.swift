internal import CEmbedded

/// The OpenAPI 3.1 documents of api/openapi, compiled in. They are written by hand; the tests compare them with the
/// routes and with answers.
package enum APIDocument: String, Sendable, CaseIterable {
  case v1, cards, transactions, payments, demo

  /// The path under which a server has it.
  package var path: String { self == .v1 ? "/v1/openapi.json" : "/openapi.json" }

  /// The JSON text.
  package var content: [UInt8] {
    switch self {
    case .v1: embedded_v1_json().copied
    case .cards: embedded_cards_json().copied
    case .transactions: embedded_transactions_json().copied
    case .payments: embedded_payments_json().copied
    case .demo: embedded_demo_json().copied
    }
  }
}

extension embedded_file {
  /// The bytes, which nobody changes and which are there as long as the process.
  var copied: [UInt8] { Array(UnsafeBufferPointer(start: bytes, count: count)) }
}
