internal import GatewayAPI
internal import GatewayDocuments
internal import GatewayDomain
internal import GatewaySettings
internal import GatewaySurfaces
internal import HTTPServer
internal import Logger
internal import Metrics
internal import Service
internal import Values

/// The surfaces of older systems.
extension GatewayBody {
  /// What their readers are told.
  var output: SurfaceOutput { SurfaceOutput(settings.surfaces.topics) }

  /// A server for each surface that is on.
  /// - Parameter http: the server of `/v1`, whose limits the others have, too.
  func makeSurfaces(
    _ http: HTTPServerConfiguration, _ desk: PaymentDesk, _ handlers: RouteHandlers, _ own: SurfaceParts
  ) -> [HTTPServer] {
    let surfaces = settings.surfaces
    let (merchant, currency) = (settings.intake.merchant, surfaces.currency)
    for (setting, address) in surfaces.addresses where !address.isLoopback {
      context.logger.warning(
        "this surface asks for no API key: whoever reaches it may use it",
        ["setting": .string(setting), "address": .describing(address)])
    }
    let server = { (name: String, address: NetworkAddress, setting: String, router: HTTPRouter) in
      var router = router
      if let document = APIDocument(rawValue: name) { DocumentRoutes(document).add(to: &router) }
      return HTTPServer(
        http.of(name, at: address, setting, isBehindTLS: self.settings.server.isBehindTLS), router: router,
        logger: self.context.logger, metrics: self.context.metrics)
    }
    return [
      surfaces.cards.map {
        server(
          CardsSurface.name, $0, "GATEWAY_CARDS_ADDR",
          CardsSurface(desk, handlers, merchant: merchant, currency: currency).router)
      },
      surfaces.transactions.map {
        server(TransactionsSurface.name, $0, "GATEWAY_TRANSACTIONS_ADDR", makeTransactions(desk, handlers, own).router)
      },
      surfaces.demo.map { server(DemoSurface.name, $0, "GATEWAY_DEMO_ADDR", makeDemo(handlers, own).router) },
      surfaces.payments.map {
        server(
          PaymentsSurface.name, $0, "GATEWAY_PAYMENTS_ADDR",
          PaymentsSurface(desk, handlers, merchant: merchant, currency: currency).router)
      },
      surfaces.updater.map { server("updater", $0, "GATEWAY_UPDATER_ADDR", PaymentsSurface.updaterRouter) },
    ].compactMap(\.self)
  }
}
