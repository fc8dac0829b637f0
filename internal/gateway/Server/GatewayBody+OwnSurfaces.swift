internal import GatewayAPI
internal import GatewayDomain
internal import GatewaySettings
internal import GatewayStore
internal import GatewaySurfaces
internal import Outbox
internal import Postgres
internal import ProcessingSettings
internal import Values

/// What the surfaces transactions and demo have beside the payments' desk.
struct SurfaceParts {
  let accounts: PooledAccounts
  let writers: ConnectionPool
  /// For lists.
  let scanners: ConnectionPool
  let outbox: OutboxWriter
  /// Called after commits that wrote messages.
  let onCommit: @Sendable () -> Void
}

/// The surfaces that keep something of their own.
extension GatewayBody {
  func makeTransactions(_ desk: PaymentDesk, _ handlers: RouteHandlers, _ parts: SurfaceParts) -> TransactionsSurface {
    let surfaces = settings.surfaces
    return TransactionsSurface(
      desk, handlers,
      rows: PooledTransactions(
        store: TransactionStore(Self.tables), writers: parts.writers, scanners: parts.scanners),
      accounts: parts.accounts, merchant: settings.intake.merchant, source: surfaces.transactionsSource,
      unit: surfaces.transactionsUnit, credentials: surfaces.transactionsCredentials)
  }

  func makeDemo(_ handlers: RouteHandlers, _ parts: SurfaceParts) -> DemoSurface {
    let store = DemoStore(
      Self.tables, outbox: parts.outbox, scoringTopic: settings.topics.payments,
      topic: settings.surfaces.topics.requests)
    return DemoSurface(
      PooledDemo(store: store, writers: parts.writers, scanners: parts.scanners, onCommit: parts.onCommit), handlers,
      checksIDs: settings.surfaces.demoChecksIDs)
  }
}
