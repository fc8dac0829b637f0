internal import GatewayDomain
internal import GatewayStore
internal import HTTPServer
internal import Values

/// Coming and going. Without API keys there is nothing to log in to.
extension PageRoutes {
  func addSessions(to router: inout HTTPRouter) {
    handlers.get("/login", nil, to: &router, or: refused) { call throws(PageFault) in
      if call.visitor.isKnown { return PageFrame.redirect(to: "/") }
      return loginPage(call, nil)
    }
    handlers.post("/login", nil, to: &router, or: loginPage) { call throws(PageFault) in
      let secret = try call.sent().text("secret") ?? ""
      let digest = APIKeyDigest(of: secret.utf8.span.bytes)
      switch handlers.access.verdict(digest) {
      case .known: break
      case .stale: throw .undecided
      case .unknown, nil: throw PageFault(401, "login_failed", field: "secret")
      }
      // A session of its own: whoever knew the one of before does not know this one.
      return leading(to: "/", PageSession(key: digest, now: .now()))
    }
    handlers.post("/logout", nil, to: &router, or: refused) { _ throws(PageFault) in
      leading(to: "/login", PageSession(key: nil, now: .now()))
    }
  }

  private func leading(to path: String, _ session: PageSession) -> HTTPResponse {
    var response = PageFrame.redirect(to: path)
    handlers.access.add(session, to: &response)
    return response
  }

  private func loginPage(_ call: PageCall, _ fault: PageFault?) -> HTTPResponse {
    let words = call.words
    var view = form(call, "login", "/login")
    view.fault = fault
    let title = words("Log in", "Вход")
    let secret = view.field(
      "secret", words("Secret of an API key", "Секрет ключа API"),
      "type=\"password\" autocomplete=\"current-password\" maxlength=\"100\" required autofocus",
      hint: "paysaga keys create --name … --scopes read,pay,review", isSecret: true)
    return frame(call, title).response(
      fault?.status ?? 200,
      """
      <h1>\(title)</h1>
      \(view.form("\(secret)\(view.button(words("Log in", "Войти")))"))
      """)
  }

  /// Who is logged in, with the button to leave.
  func leaveForm(_ call: PageCall, _ name: String) -> HTML {
    """
    <form class="leave" method="post" action="/logout">
    <input type="hidden" name="csrf" value="\(call.visitor.session.token(handlers.access.seals))">
    <span>\(name)</span> <button type="submit" class="plain">\(call.words("Log out", "Выйти"))</button>
    </form>
    """
  }
}
