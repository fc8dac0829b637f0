internal import CCrypto

/// SHA-256 of bytes that come in pieces. One thread at a time.
public struct SHA256Stream: ~Copyable {
  private let context: OpaquePointer

  /// Begins a digest.
  public init() {
    guard let context = EVP_MD_CTX_new() else { preconditionFailure("libcrypto has no memory for a digest") }
    self.context = context
    begin()
  }

  deinit { EVP_MD_CTX_free(context) }

  /// Takes the next bytes.
  public mutating func update(_ bytes: RawSpan) {
    let isTaken = bytes.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
    precondition(isTaken == 1, "libcrypto takes bytes after a digest has begun")
  }

  /// The digest of all bytes since the last one, 32 bytes long. The next digest begins.
  public mutating func finish() -> [UInt8] {
    let digest = [UInt8](unsafeUninitializedCapacity: SHA256.digestLength) { digest, count in
      precondition(EVP_DigestFinal_ex(context, digest.baseAddress, nil) == 1, "libcrypto ends a digest that has begun")
      count = SHA256.digestLength
    }
    begin()
    return digest
  }

  private func begin() {
    precondition(EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1, "libcrypto has SHA-256")
  }
}
