import Cards
import Testing

@Suite struct SecretBytesTests {
  private func text(_ secret: borrowing SecretBytes) -> [UInt8] {
    secret.withBytes { bytes in bytes.withUnsafeBytes { Array($0) } }
  }

  @Test func `bytes are kept as they are, of any length`() {
    for count in [0, 1, 31, 32, 33, 64, 4_095, 4_096] {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
      #expect(text(SecretBytes(copying: bytes.span.bytes)) == bytes)
    }
  }

  @Test func `memory that is given back is zero, and others' stays`() {
    let sevens: [UInt8] = [7, 7, 7]
    let other = SecretBytes(copying: sevens.span.bytes)
    for round in 0..<3_000 {
      let secret = SecretBytes(copying: [UInt8](repeating: 0xA5, count: 48).span.bytes)
      #expect(text(secret).allSatisfy { $0 == 0xA5 })
      // Nothing is written: what an earlier owner left would be seen.
      let fresh = SecretBytes(count: 48) { _ in }
      #expect(text(fresh).allSatisfy { $0 == 0 }, "round \(round)")
    }
    #expect(text(other) == sevens)
  }
}
