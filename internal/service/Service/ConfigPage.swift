internal import Admin
internal import HTTPServer
internal import Settings
internal import Values

/// The settings in force as `/config` and `--print-config` show them.
struct ConfigPage {
  let program: Program
  let settings: [SettingInForce]

  /// `{"program":…,"version":…,"commit":…,"settings":{"LOG_LEVEL":{"value":"info","origin":"default"}}}`, without
  /// secrets.
  var json: [UInt8] {
    JSONWriter.object { page in
      page.add("program", program.name)
      page.add("version", BuildInfo.version)
      page.add("commit", BuildInfo.commit)
      page.add("settings") { all in
        for setting in settings {
          all.add(named: setting.name) { one in
            one.add("value", setting.value)
            one.add("origin", setting.origin.description)
          }
        }
      }
    }
  }

  /// The settings that differ from their defaults, for the log: `LOG_LEVEL=debug SERVER_THREADS=2`.
  var changes: String {
    settings.filter(\.isChanged).map { "\($0.name)=\($0.value)" }.joined(separator: " ")
  }

  /// The page of the admin endpoint.
  var page: AdminPage {
    let body = json + "\n".utf8
    return AdminPage("/config", title: "the settings in force, with their origin", showsData: true) { _, exchange in
      var response = HTTPResponse.json(200, body)
      response.add("Cache-Control", "no-store")
      exchange.respond(response)
    }
  }
}
