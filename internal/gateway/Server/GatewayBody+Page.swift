internal import GatewayAPI
internal import GatewayDomain
internal import GatewayLimits
internal import GatewayPage
internal import GatewaySettings
internal import Logger
internal import Processor
internal import Service

extension GatewayBody {
  /// The operators' pages on the server of `/v1`.
  /// - Returns: nil where they are switched off.
  func makePages(
    _ payments: StoredPayments, _ desk: PaymentDesk, _ execution: Execution, _ pools: Pools, _ apiKeys: APIKeyWatch?,
    _ limiter: RateLimiter
  ) -> PageRoutes? {
    guard settings.page.isOn else { return nil }
    let sources = PageSources(
      payments: payments, desk: desk, processor: execution.parts.processor, trails: execution.trails,
      accounts: execution.accounts, insight: PooledInsight(gateway: pools.scanners, processing: pools.page))
    let access = PageAccess(
      keys: apiKeys, limiter: limiter, seals: requestKeys,
      hasTLS: settings.server.hasTLS || settings.server.isBehindTLS, name: "paysaga")
    return PageRoutes(
      sources, access: access, rules: PaymentRequest.Rules(merchant: settings.intake.merchant),
      hasTestCards: settings.page.hasTestCards, logger: context.logger.labelled("page"))
  }
}
