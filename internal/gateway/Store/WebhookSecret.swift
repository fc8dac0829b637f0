public import Cards
internal import Crypto
public import Values

/// Of what an endpoint's secret is made, beside the key: what a table has of it.
public struct WebhookSecretOrigin: Sendable, Hashable {
  /// The id of the key.
  public let keyID: String
  /// 16 bytes that no other secret of the endpoint has.
  public let salt: [UInt8]
}

/// Makes the secrets of endpoints: an HMAC-SHA-256 of the endpoint's id and a salt, under a key that is a setting. So
/// no table, dump or replica has a secret, and each gateway can sign all the same. Callable on any thread.
public struct WebhookSecrets: Sendable {
  private static let purpose = Array("webhook secret\n".utf8)

  private let keys: CardFingerprintKeys

  /// - Parameter keys: the first makes new secrets; all make those that were made with them.
  public init(_ keys: CardFingerprintKeys) { self.keys = keys }

  /// The ids of the keys.
  public var keyIDs: [String] { keys.ids }

  /// The origin of a new secret.
  /// - Parameter request: what tells the request that makes it from every other; nil where nothing does.
  public func newOrigin(of request: UniqueID? = nil) -> WebhookSecretOrigin {
    let source = request ?? .random()
    let salt = [source.high, source.low].flatMap { word in withUnsafeBytes(of: word.bigEndian) { Array($0) } }
    return WebhookSecretOrigin(keyID: keys.signingID, salt: salt)
  }

  /// The secret of an endpoint; nil where its key is none of the setting's.
  public func secret(of endpoint: UniqueID, _ origin: WebhookSecretOrigin) -> WebhookSecret? {
    var content = Self.purpose
    endpoint.append(to: &content)
    content += origin.salt
    return keys.code(of: content.span.bytes, under: origin.keyID).map(WebhookSecret.init(bytes:))
  }
}

/// The secret that an endpoint's messages are signed with (Standard Webhooks 1.0.0). Its description hides it.
public struct WebhookSecret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible {
  /// How each secret begins, so that one is known when it lies where it must not, as in a repository.
  public static let prefix = "whsec_"

  private let bytes: [UInt8]

  /// - Parameter bytes: 24 to 64 of them.
  public init(bytes: [UInt8]) { self.bytes = bytes }

  /// The secret, for the one who will use it.
  public var text: String { Self.prefix + String(decoding: Base64.encode(bytes, isPadded: true), as: UTF8.self) }

  /// The signature of a message, with its version.
  /// - Parameters:
  ///   - id: the message's id, without a dot.
  ///   - timestamp: seconds since 1970.
  public func signature(id: UniqueID, timestamp: Int64, body: [UInt8]) -> String {
    var content: [UInt8] = []
    content.reserveCapacity(body.count + 64)
    id.append(to: &content)
    content += ".\(timestamp).".utf8
    content += body
    let code = HMACSHA256.code(of: content.span.bytes, key: bytes.span.bytes)
    return "v1," + String(decoding: Base64.encode(code, isPadded: true), as: UTF8.self)
  }

  /// How it begins.
  public var description: String { "\(Self.prefix)…" }
  /// The same as `description`.
  public var debugDescription: String { description }
}
