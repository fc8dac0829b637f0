internal import HTTPServer
internal import Values

/// What stands around the content of each page, and the header fields that go with it.
struct PageFrame: Sendable {
  /// A place that the head of the page leads to.
  struct Place: Sendable {
    let path: String
    let english: String
    let russian: String
  }

  /// The places of the operators' pages.
  static let places = [
    Place(path: "/", english: "Payments", russian: "Платежи"),
    Place(path: "/accounts", english: "Accounts", russian: "Счета"),
    Place(path: "/review", english: "Review", russian: "Проверка"),
    Place(path: "/exceptions", english: "Exceptions", russian: "Расхождения"),
    Place(path: "/dead-letters", english: "Dead letters", russian: "Мёртвые письма"),
    Place(path: "/outbox", english: "Outbox", russian: "Исходящие"),
  ]

  let words: Words
  let title: String
  /// Where the page is, among `places`.
  var current: String?
  /// Who looks, and the form to leave; nothing where nobody has logged in.
  var visitor: HTML = .nothing
  /// Whether there are places to go to.
  var hasPlaces = true
  /// Where the script hears of changes; nil where nothing changes by itself.
  var live: String?
  /// Whether the script looks again after a while, for changes that it does not hear of.
  var looksAgain = false

  /// The whole page.
  /// - Parameter content: what stands in `main`.
  func response(_ status: Int, _ content: HTML) -> HTTPResponse {
    var response = HTTPResponse(status, contentType: "text/html; charset=utf-8", body: Array(page(content).text.utf8))
    Self.addHeaders(to: &response)
    response.add("Cache-Control", "no-store")
    response.add("Vary", "Accept-Language, Cookie")
    return response
  }

  /// Nothing is loaded from elsewhere, nothing runs but our files, and no other site shows the page in a frame.
  static let policy = "default-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

  /// The header fields of everything that a browser shows.
  static func addHeaders(to response: inout HTTPResponse) {
    response.add("Content-Security-Policy", policy)
    response.add("X-Content-Type-Options", "nosniff")
    response.add("Referrer-Policy", "same-origin")
    response.add("Cross-Origin-Opener-Policy", "same-origin")
    response.add("Cross-Origin-Resource-Policy", "same-origin")
  }

  /// Leads elsewhere after a form, so that a reload sends nothing twice.
  static func redirect(to path: String) -> HTTPResponse {
    var response = HTTPResponse(303)
    response.add("Location", path)
    response.add("Cache-Control", "no-store")
    addHeaders(to: &response)
    return response
  }

  private func page(_ content: HTML) -> HTML {
    let again: HTML = looksAgain ? " data-again" : .nothing
    let live: HTML = live.map { " data-live=\"\($0)\"" } ?? .nothing
    return """
      <!doctype html>
      <html lang="\(words.language.rawValue)">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <title>\(title)</title>
      <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
      <link rel="stylesheet" href="/assets/page.css">
      <script type="module" src="/assets/page.js"></script>
      </head>
      <body\(live)\(again)\(sayings)>
      <a class="skip" href="#main">\(words("Skip to the content", "К содержанию"))</a>
      \(head)
      <main id="main" tabindex="-1">
      \(content)
      </main>
      <p id="announcer" class="quiet" role="status" aria-live="polite"></p>
      <p id="toast" role="alert" hidden></p>
      <p id="lost" hidden>\(words("Live updates stopped; trying again", "Обновления прервались; пробуем ещё раз"))</p>
      </body>
      </html>

      """
  }

  /// What the script says by itself.
  private var sayings: HTML {
    """
     data-say-error="\(words("Error", "Ошибка"))" data-say-changed="\(words("payments changed", "платежей изменилось"))"
    """
  }

  private var head: HTML {
    guard hasPlaces else { return .nothing }
    let links = Self.places.map { place -> HTML in
      let mark: HTML = place.path == current ? " aria-current=\"page\"" : .nothing
      return "<li><a href=\"\(place.path)\"\(mark)>\(words(place.english, place.russian))</a></li>"
    }
    return """
      <header>
      <a class="brand" href="/">Paysaga</a>
      <nav aria-label="\(words("Pages", "Страницы"))"><ul>\(links)</ul></nav>
      \(visitor)
      </header>
      """
  }
}
