import Testing

@testable import HTTPServer

@Suite struct HTTPRouterTests {
  private let router = {
    var router = HTTPRouter()
    let routes: [(HTTPMethod, String)] = [
      (.get, "/"), (.get, "/v1/payments"), (.post, "/v1/payments"), (.post, "/v1/payments/"),
      (.get, "/v1/payments/{id}"), (.get, "/v1/payments/latest"), (.post, "/v1/{kind}/{id}/cancel"),
      (.delete, "/v1/payments/{payment}"),
    ]
    for (method, pattern) in routes { router.add(method, pattern) { _, _ in } }
    return router
  }()

  private func match(_ method: String, _ path: String) throws -> HTTPRouter.Match {
    router.match(method: method, try HTTPTarget(Array(path.utf8)).segments)
  }

  @Test func pathsFindTheirRoutes() throws {
    #expect(try match("GET", "/") == .found(route: 0, parameters: [:]))
    #expect(try match("HEAD", "/v1/payments") == .found(route: 1, parameters: [:]))
    #expect(try match("POST", "/v1/payments") == .found(route: 2, parameters: [:]))
    #expect(try match("POST", "/v1/payments/") == .found(route: 3, parameters: [:]))
    #expect(try match("GET", "/v1/payments/a%2Fb") == .found(route: 4, parameters: ["id": "a/b"]))
    #expect(try match("DELETE", "/v1/payments/7") == .found(route: 7, parameters: ["payment": "7"]))
  }

  @Test func wordsComeFirstAndPlaceholdersWhereTheyLeadNowhere() throws {
    #expect(try match("GET", "/v1/payments/latest") == .found(route: 5, parameters: [:]))
    #expect(
      try match("POST", "/v1/payments/latest/cancel")
        == .found(route: 6, parameters: ["kind": "payments", "id": "latest"]))
  }

  @Test func othersAreUnknown() throws {
    for path in [
      "/v1", "/v1/", "/V1/payments", "/v1/payments/7/", "/v1/payments/7/cancel/x", "/v1//payments", "//", "/v1/x/7",
    ] {
      #expect(try match("GET", path) == .unknown, "\(path)")
    }
    #expect(try match("GET", "/v1/payments/") == .otherMethod(allow: ["POST"]), "a placeholder stands for something")
  }

  @Test func otherMethodsAreToldWhichThereAre() throws {
    #expect(try match("DELETE", "/v1/payments") == .otherMethod(allow: ["GET", "HEAD", "POST"]))
    #expect(try match("get", "/v1/payments") == .otherMethod(allow: ["GET", "HEAD", "POST"]))
    #expect(try match("OPTIONS", "/v1/payments/7") == .otherMethod(allow: ["GET", "HEAD", "DELETE"]))
    #expect(try match("HEAD", "/v1/payments/") == .otherMethod(allow: ["POST"]))
  }
}
