import Cards
import Testing
import Values

@testable import GatewayStore

@Suite("Secrets of webhooks") struct WebhookSecretTests {
  /// What standardwebhooks (PyPI) 1.1.0 makes.
  @Test func `a message is signed as others sign it`() throws {
    let secret = WebhookSecret(bytes: Array(0..<32))
    #expect(secret.text == "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    let id = try #require(UniqueID("01a2188d-378c-733b-aca6-0f7d55feb033"))
    let signature = secret.signature(
      id: id, timestamp: 1_795_708_237, body: Array(#"{"type":"payment.completed"}"#.utf8))
    #expect(signature == "v1,rYB8moE7x0wqA1nRRq+tZSqsQBX2ac2p4fCcGfXHEZM=")
  }

  @Test func `a secret is the endpoint's and the salt's, and made again by whoever has the key`() throws {
    let (first, second) = ("a:" + String(repeating: "5a6b", count: 16), "b:" + String(repeating: "6b5a", count: 16))
    let old = WebhookSecrets(try CardFingerprintKeys(first))
    let (id, origin) = (UniqueID.random(), old.newOrigin())
    #expect(origin.keyID == "a" && origin.salt.count == 16)
    let secret = try #require(old.secret(of: id, origin))
    // Another key in front: new secrets are made of it, the others stay.
    let both = WebhookSecrets(try CardFingerprintKeys("\(second),\(first)"))
    #expect(both.secret(of: id, origin) == secret && both.newOrigin().keyID == "b")
    #expect(old.secret(of: .random(), origin) != secret)
    #expect(old.secret(of: id, old.newOrigin()) != secret)
    #expect(WebhookSecrets(try CardFingerprintKeys(second)).secret(of: id, origin) == nil)
    #expect("\(secret)" == "whsec_…" && String(reflecting: secret) == "whsec_…")
  }
}
