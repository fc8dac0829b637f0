internal import CCrypto

/// SHA-256 (FIPS 180-4). Callable on any thread.
public enum SHA256 {
  /// Bytes of a digest.
  public static let digestLength = 32

  /// The digest of the bytes, 32 bytes long.
  public static func digest(of bytes: RawSpan) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: digestLength) { digest, count in
      bytes.withUnsafeBytes { bytes in
        _ = CCrypto.SHA256(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, digest.baseAddress)
      }
      count = digestLength
    }
  }
}

/// SHA-1 (FIPS 180-4), for UUIDs of version 5 alone: it is broken for whatever must not be forged. Callable on any
/// thread.
public enum SHA1 {
  /// Bytes of a digest.
  public static let digestLength = 20

  /// The digest of the bytes, 20 bytes long.
  public static func digest(of bytes: RawSpan) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: digestLength) { digest, count in
      bytes.withUnsafeBytes { bytes in
        _ = CCrypto.SHA1(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, digest.baseAddress)
      }
      count = digestLength
    }
  }
}

/// HMAC with SHA-256 (RFC 2104, RFC 4231). Callable on any thread.
public enum HMACSHA256 {
  /// The code of the bytes under the key, 32 bytes long. OpenSSL clears what it has copied of the key.
  /// - Parameter key: not empty.
  public static func code(of bytes: RawSpan, key: RawSpan) -> [UInt8] {
    precondition(!key.isEmpty, "a key has bytes")
    return [UInt8](unsafeUninitializedCapacity: SHA256.digestLength) { code, count in
      key.withUnsafeBytes { key in
        bytes.withUnsafeBytes { bytes in
          let made = HMAC(
            EVP_sha256(), key.baseAddress, Int32(clamping: key.count),
            bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, code.baseAddress, nil)
          precondition(made != nil, "libcrypto has no memory for a digest")
        }
      }
      count = SHA256.digestLength
    }
  }
}

/// Whether both hold the same bytes, in a time that depends on their lengths only: for codes that a caller may guess.
public func areEqualInConstantTime(_ left: RawSpan, _ right: RawSpan) -> Bool {
  guard left.byteCount == right.byteCount else { return false }
  return left.withUnsafeBytes { left in
    right.withUnsafeBytes { right in
      left.isEmpty || CRYPTO_memcmp(left.baseAddress, right.baseAddress, left.count) == 0
    }
  }
}
