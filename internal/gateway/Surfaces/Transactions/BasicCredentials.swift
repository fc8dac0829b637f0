internal import Crypto
internal import HTTPServer
internal import Values

/// Checks the user and the password of HTTP Basic (RFC 7617).
struct BasicCredentials: Sendable {
  /// The SHA-256 of `user:password`.
  private let expected: [UInt8]

  /// - Parameter text: `user:password`.
  init(_ text: String) { expected = Self.digest(of: Array(text.utf8)) }

  private static func digest(of bytes: [UInt8]) -> [UInt8] { SHA256.digest(of: bytes.span.bytes) }

  /// - Throws: 401.
  func check(_ headers: HTTPHeaders) throws(TransactionsFault) {
    let values = headers.values("Authorization")
    guard let value = values.first else {
      throw .unauthorized("Full authentication is required to access this resource")
    }
    let parts = value.split(separator: " ", omittingEmptySubsequences: true)
    guard values.count == 1, parts.count == 2, parts[0].lowercased() == "basic",
      let given = Base64.decode(parts[1].utf8),
      areEqualInConstantTime(Self.digest(of: given).span.bytes, expected.span.bytes)
    else { throw .unauthorized("Bad credentials") }
  }
}
