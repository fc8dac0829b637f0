import BankStubSettings
import Foundation
import GatewaySettings
import ProcessingSettings
import SagaSettings
import Settings
import Testing

@Suite struct SettingsDocumentTests {
  /// `UPDATE_DOCS=1 swift test --filter SettingsDocumentTests` writes it anew.
  @Test func theDocumentIsTheTable() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "../../../docs/settings.md")
    let expected = """
      # Settings

      Settings come from the environment and from the file named by `--config` (one `KEY=VALUE` per line, `#` comments);
      the environment wins. Durations are whole numbers with a unit (`500ms`, `10s`, `5m`, `24h`, `7d`, `1h30m`). One file
      may serve all programs: each checks every setting. Settings of other contexts may stand in the same file; their own
      programs check them. Examples are in [config](../config).

      \(SagaSettings.table.markdown())

      ## The gateway of direct payments

      \(GatewaySettings.table.markdown())

      ## Processing of direct payments

      \(ProcessingSettings.table.markdown())

      ## The bank stub

      \(BankStubSettings.table.markdown())

      """
    if ProcessInfo.processInfo.environment["UPDATE_DOCS"] == "1" {
      try expected.write(to: file, atomically: true, encoding: .utf8)
    }
    let found = try String(contentsOf: file, encoding: .utf8)
    #expect(
      found == expected,
      "docs/settings.md is not what the settings tables of the contexts say; see this test")
  }
}
