import Errors
import Foundation
import SagaSettings
import Settings
import Testing

@Suite struct SecretFileTests {
  /// The path of a file with this text and mode, for the time of `body`.
  private func with(_ text: String, mode: Int, _ body: (String) throws -> Void) throws {
    let path = NSTemporaryDirectory() + "secret-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try #require(FileManager.default.createFile(atPath: path, contents: Data(text.utf8)))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    try body(path)
  }

  private func token(_ path: String) throws(SettingsError) -> [UInt8] {
    try SecretFile.token(path, of: "ADMIN_TOKEN_FILE", shortest: 16)
  }

  @Test(arguments: [0o600, 0o400, 0o640, 0o440]) func ownersAndTheirGroupMayRead(_ mode: Int) throws {
    try with("secret", mode: mode) { path in #expect(SecretFile.problem(path) == nil) }
  }

  @Test(arguments: [0o644, 0o604, 0o602, 0o601, 0o660, 0o666]) func otherModesAreRefused(_ mode: Int) throws {
    try with("0123456789abcdef", mode: mode) { path in
      #expect(SecretFile.problem(path)?.contains("chmod") == true)
      #expect(throws: SettingsError.self) { try token(path) }
    }
  }

  @Test func aTokenIsTheFileWithoutWhiteSpaceAroundIt() throws {
    try with(" \n0123456789abcdef\r\n", mode: 0o600) { path in
      let found = try token(path)
      #expect(found == Array("0123456789abcdef".utf8))
    }
  }

  @Test(arguments: ["", "short", "0123456789 abcdef", "0123456789abcdef\u{e9}", "0123456789\u{0}abcdef"])
  func whatIsNoTokenIsRefusedWithoutBeingShown(_ text: String) throws {
    try with(text, mode: 0o600) { path in
      do throws(SettingsError) {
        _ = try token(path)
        Issue.record("\(text) was taken")
      } catch {
        #expect(error.setting == "ADMIN_TOKEN_FILE" && error.description.contains("at least 16"))
        #expect(text.isEmpty || !error.description.contains(text))
      }
    }
  }

  @Test func aMissingFileIsNamed() {
    #expect(SecretFile.problem("/nowhere/token") == nil)
    do throws(SettingsError) {
      _ = try token("/nowhere/token")
      Issue.record("a missing file was taken")
    } catch {
      #expect(error.description.contains("/nowhere/token cannot be read"))
    }
  }

  @Test func aPrivateKeyThatEverybodyMayReadStopsAProgram() throws {
    try with("", mode: 0o644) { key in
      let given = ["DB_DSN": "postgres://a:b@h:1/d", "KAFKA_BROKERS": "b:1", "SERVER_TLS_CERT": "c"]
      do throws(SettingsError) {
        _ = try SagaSettings.load(
          program: .server, environment: given.merging(["SERVER_TLS_KEY": key]) { $1 }, file: nil, contexts: [])
        Issue.record("a key for everybody was taken")
      } catch {
        #expect(error.setting == "SERVER_TLS_KEY" && error.description.contains("chmod o= it"))
      }
    }
  }
}
