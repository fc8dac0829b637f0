import Errors
import Settings
import Testing

@testable import SagaClient

@Suite struct SagaClientSettingsTests {
  @Test func `a certificate needs its key and an authority`() {
    var settings = SagaClientSettings()
    #expect(throws: Never.self) { try settings.check() }
    settings.certificate = "a.pem"
    #expect(throws: SettingsError.self) { try settings.check() }
    settings.key = "a.key"
    #expect(throws: SettingsError.self) { try settings.check() }
    settings.authorities = "system"
    #expect(throws: Never.self) { try settings.check() }
  }

  @Test func `without an address there is no client`() throws {
    #expect(try SagaClientSettings().client(userAgent: "test") == nil)
  }
}
