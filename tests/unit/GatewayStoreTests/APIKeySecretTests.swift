import GatewayDomain
import Testing

@testable import GatewayStore

@Suite("Secrets of API keys")
struct APIKeySecretTests {
  @Test func `a secret has 256 random bits, and is known by its digest`() {
    let secrets = (0..<100).map { _ in APIKeySecret.random() }
    #expect(Set(secrets.map(\.text)).count == 100)
    for secret in secrets {
      #expect(secret.text.hasPrefix("psk_") && secret.text.utf8.count == 68)
      #expect(APIKeyDigest(bytes: secret.digest.bytes) == secret.digest && secret.digest.bytes.count == 32)
    }
    // sha256sum has the same.
    let digest = APIKeyDigest(of: "psk_".utf8.span.bytes)
    #expect(
      digest.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        == "e87af5f77e1ada149b2579058ced1255fc90e5ffeb120de2ef91f77e6c624c74")
    #expect(APIKeyDigest(bytes: [1, 2]) == nil)
  }
}
