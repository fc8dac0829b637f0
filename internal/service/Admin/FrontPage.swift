internal import Values

/// The page at `/`: which program this is, whether it is ready, and what else can be asked here.
struct FrontPage {
  let facts: ProgramFacts
  let readiness: ReadinessReport
  /// Paths with what they show.
  let links: [(path: String, title: String)]

  /// HTML without a script or a style of others; a browser loads it again every five seconds.
  var html: String {
    """
    <!doctype html>
    <html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
    <title>\(Self.escaped(facts.program))</title>
    <style>body{font:16px/1.5 sans-serif;margin:2rem;max-width:60rem}td,th{padding:.1rem 1rem .1rem 0;text-align:left}
    .no{color:#b00020;font-weight:bold}</style></head><body>
    <h1>\(Self.escaped(facts.program))</h1>
    <table>
    \(row("state", state))
    \(row("version", Self.escaped(facts.version)))
    \(row("commit", Self.escaped(facts.commit)))
    \(row("started", Self.escaped(facts.started.description)))
    \(row("instance", Self.escaped(facts.instance)))
    </table>
    <h2>Dependencies</h2>
    <table>
    \(readiness.checks.map(dependency).joined(separator: "\n"))
    </table>
    <h2>Pages</h2>
    <ul>
    \(links.map { "<li><a href=\"\(Self.escaped($0.path))\">\(Self.escaped($0.path))</a>: \(Self.escaped($0.title))</li>" }.joined(separator: "\n"))
    </ul>
    </body></html>

    """
  }

  private var state: String {
    if readiness.isReady { return "ready" }
    return "<span class=\"no\">\(readiness.isServing ? "not ready" : "starts or stops")</span>"
  }

  private func dependency(_ check: ReadinessReport.Check) -> String {
    let word = check.isReady ? "ready" : "<span class=\"no\">not ready</span>"
    return row(Self.escaped(check.name), check.detail.isEmpty ? word : "\(word): \(Self.escaped(check.detail))")
  }

  /// - Parameter value: HTML.
  private func row(_ name: String, _ value: String) -> String { "<tr><th>\(name)</th><td>\(value)</td></tr>" }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }
}
