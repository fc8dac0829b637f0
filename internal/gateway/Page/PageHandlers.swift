internal import Cards
internal import GatewayAPI
internal import GatewayDomain
internal import HTTPServer
internal import Logger
internal import Values

/// Handlers of pages: they find out who looks, judge forms, and show what was refused as a page.
struct PageHandlers: Sendable {
  let access: PageAccess
  let logger: Logger
  /// For browsers that name no language of ours.
  let language: Language

  /// How long a page may take.
  private static let answerTime = Duration.seconds(15)
  private static let formType = "application/x-www-form-urlencoded"

  typealias Body = @Sendable (PageCall) async throws(PageFault) -> HTTPResponse
  /// Shows what was refused.
  typealias Failed = @Sendable (PageCall, PageFault) async -> HTTPResponse

  /// Begins a stream; the function says whether the visitor may still see it.
  typealias Stream = @Sendable (PageCall, @escaping @Sendable () -> Bool, HTTPExchange) throws(Fault) -> Void

  /// Adds a page.
  /// - Parameters:
  ///   - scope: what the visitor's API key must be good for; nil for pages that everybody may see.
  ///   - failed: the page that tells of a refusal.
  func get(
    _ path: String, _ scope: APIKeyScope?, to router: inout HTTPRouter,
    or failed: @escaping Failed, _ body: @escaping Body
  ) {
    router.add(.get, path, name: "page \(path)", answerTime: Self.answerTime) { [self] request, exchange in
      let visitor = access.visitor(request)
      let call = PageCall(request: request, visitor: visitor, words: words(request), form: nil)
      Task.immediate {
        var response = await answer(call, scope, failed: failed, body)
        if visitor.isNew { access.add(visitor.session, to: &response) }
        exchange.respond(response)
      }
    }
  }

  /// Adds what a form does. The body may hold a card number: it is erased when the form is read.
  func post(
    _ path: String, _ scope: APIKeyScope?, to router: inout HTTPRouter,
    or failed: @escaping Failed, _ body: @escaping Body
  ) {
    router.add(
      .post, path, name: "page \(path)", maxBody: PaymentForm.maximumBytes, contentTypes: [Self.formType],
      answerTime: Self.answerTime
    ) { [self] request, exchange in
      let visitor = access.visitor(request)
      let form = try? FormBody(request.body)
      let call = PageCall(request: request, visitor: visitor, words: words(request), form: form)
      Task.immediate {
        defer { request.body.zeroInPlace() }
        let checked: Body = { call throws(PageFault) in
          guard let form = call.form else { throw .unreadable }
          guard access.isOurs(form, visitor, request) else { throw .expired }
          return try await body(call)
        }
        var response = await answer(call, scope, failed: failed, checked)
        if visitor.isNew { access.add(visitor.session, to: &response) }
        exchange.respond(response)
      }
    }
  }

  /// Adds a stream of events for the script; it ends when the visitor may see no pages any more.
  func stream(_ path: String, to router: inout HTTPRouter, _ body: @escaping Stream) {
    router.add(.get, path, name: "page \(path)", answerTime: Self.answerTime) { [access] request, exchange in
      let call = PageCall(
        request: request, visitor: access.visitor(request), words: Words(language: language), form: nil)
      guard call.visitor.may(.read) else {
        exchange.respond(HTTPResponse(call.visitor.isKnown ? 403 : 401))
        return
      }
      do throws(Fault) {
        let mayStay = { @Sendable in
          let visitor = access.visitor(request)
          return visitor.isUndecided || visitor.may(.read)
        }
        try body(call, mayStay, exchange)
      } catch {
        exchange.respond(error.response)
      }
    }
  }

  func words(_ request: HTTPRequest) -> Words {
    Words(language: Language(accepting: request.headers["Accept-Language"], standard: language))
  }

  private func answer(
    _ call: PageCall, _ scope: APIKeyScope?, failed: Failed, _ body: Body
  ) async -> HTTPResponse {
    do throws(PageFault) {
      if let scope {
        guard !call.visitor.isUndecided else { throw .undecided }
        guard call.visitor.isKnown else { return PageFrame.redirect(to: "/login") }
        guard call.visitor.may(scope) else { throw PageFault(403, "scope_missing") }
        try await access.count(call.visitor)
      }
      return try await body(call)
    } catch {
      if let cause = error.cause { logger.error("a page failed on what is stored", ["error": .string(cause)]) }
      return await failed(call, error)
    }
  }
}
