internal import GatewayAPI
internal import GatewayDomain
internal import GatewayLimits
internal import GatewayPage
internal import GatewaySettings
internal import HTTPServer
internal import Logger
internal import Metrics
internal import Outbox
internal import Processor
internal import Service
internal import Values

extension GatewayBody {
  /// The page of the surface payments.
  /// - Returns: nil where it is switched off.
  func makePaymentsPage(
    _ http: HTTPServerConfiguration, _ payments: StoredPayments, _ desk: PaymentDesk, _ live: LiveFeed
  ) -> HTTPServer? {
    guard let address = settings.surfaces.page else { return nil }
    let terms = PaymentsPage.Terms(
      merchant: settings.intake.merchant, currency: settings.surfaces.currency, seals: requestKeys,
      hasTLS: settings.server.hasTLS || settings.server.isBehindTLS)
    return HTTPServer(
      http.of(PaymentsPage.name, at: address, "GATEWAY_PAGE_ADDR", isBehindTLS: settings.server.isBehindTLS),
      router: PaymentsPage(payments, desk, live, terms, logger: context.logger.labelled("page")).router,
      logger: context.logger, metrics: context.metrics)
  }

  /// The operators' pages on the server of `/v1`.
  /// - Returns: nil where they are switched off.
  func makePages(
    _ payments: StoredPayments, _ desk: PaymentDesk, _ execution: Execution, _ live: LiveFeed, _ pools: Pools,
    _ outbox: OutboxWriter, _ apiKeys: APIKeyWatch?, _ limiter: RateLimiter
  ) -> PageRoutes? {
    guard settings.page.isOn else { return nil }
    let sources = PageSources(
      payments: payments, desk: desk, processor: execution.parts.processor, trails: execution.trails,
      accounts: execution.accounts,
      insight: PooledInsight(
        gateway: pools.scanners, writers: pools.writers, processing: pools.page, outbox: outbox), live: live)
    let access = PageAccess(
      keys: apiKeys, limiter: limiter, seals: requestKeys,
      hasTLS: settings.server.hasTLS || settings.server.isBehindTLS, name: "paysaga")
    return PageRoutes(
      sources, access: access, rules: PaymentRequest.Rules(merchant: settings.intake.merchant),
      hasTestCards: settings.page.hasTestCards, logger: context.logger.labelled("page"))
  }
}
