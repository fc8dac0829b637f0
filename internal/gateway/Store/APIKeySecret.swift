internal import Crypto
public import GatewayDomain
internal import Values

/// The secret of an API key: `psk_` and 256 random bits as 64 hexadecimal digits. Its description hides it.
public struct APIKeySecret: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
  /// How each secret begins, so that one is known when it lies where it must not, as in a repository.
  public static let prefix = "psk_"

  /// The secret, for the one who will use it.
  public let text: String

  /// A new secret, from the system's generator. Callable on any thread.
  public static func random() -> APIKeySecret {
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<4).flatMap { _ -> [UInt8] in
      let word: UInt64 = generator.next()
      return (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
    return APIKeySecret(text: prefix + Hexadecimal.text(bytes))
  }

  private init(text: String) { self.text = text }

  /// What is kept of it.
  public var digest: APIKeyDigest { APIKeyDigest(of: text.utf8.span.bytes) }

  /// How it begins.
  public var description: String { "\(Self.prefix)…" }
  /// The same as `description`.
  public var debugDescription: String { description }
}

extension APIKeyDigest {
  /// The digest of what somebody says is a secret.
  public init(of secret: RawSpan) {
    guard let digest = APIKeyDigest(bytes: SHA256.digest(of: secret)) else {
      preconditionFailure("SHA-256 has another length")
    }
    self = digest
  }
}
