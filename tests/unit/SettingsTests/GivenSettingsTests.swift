import Errors
import Foundation
import ProcessingSettings
import SagaSettings
import Testing

@testable import Settings

struct GivenSettingsTests {
  @Test func takesTheEnvironmentOverTheFile() throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "given-\(UUID().uuidString).env")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data("A_DSN=postgres://u@h:1/file\nB_DSN=postgres://u@h:1/file\nC_DSN=\n".utf8).write(to: file)
    let given = try GivenSettings(environment: ["A_DSN": "postgres://u@h:1/environment"], file: file.path)
    #expect(try given.postgres("A_DSN") == "postgres://u@h:1/environment")
    #expect(try given.postgres("B_DSN") == "postgres://u@h:1/file")
    #expect(try given.postgres("C_DSN") == nil)
    #expect(try given.postgres("D_DSN") == nil)
  }

  @Test func givesAGroupItsDefaultsAndChecksWhatIsGiven() throws {
    let given = try GivenSettings(environment: ["GATEWAY_GROUP": "mine", "DIRECT_RESULT_TOPIC": ""], file: nil)
    let topics = try given.group(DirectTopics.rows([]), of: DirectTopics(), for: .cli)
    #expect((topics.gatewayGroup, topics.processorGroup) == ("mine", "direct-processor"))
    #expect((topics.payments, topics.results) == ("direct.payments", "direct.results"))
    let wrong = try GivenSettings(environment: ["PROCESSING_GROUP": "a b"], file: nil)
    let error = #expect(throws: SettingsError.self) {
      try wrong.group(DirectTopics.rows([]), of: DirectTopics(), for: .cli)
    }
    #expect(error?.setting == "PROCESSING_GROUP" && error?.description.hasPrefix("PROCESSING_GROUP=a b: ") == true)
  }

  @Test func namesAWrongAddressWithoutItsPassword() throws {
    let given = try GivenSettings(environment: ["A_DSN": "mysql://u:s3cret@h/db"], file: nil)
    let error = #expect(throws: SettingsError.self) { try given.postgres("A_DSN") }
    #expect(error?.setting == "A_DSN")
    #expect(error?.description.contains("s3cret") == false)
  }
}
