internal import ClientSettings
internal import GatewayAPI
internal import GatewayDomain
internal import GatewaySettings
internal import GatewayStore
internal import GatewayWebhooks
internal import HTTPServer
internal import Logger
internal import Postgres
internal import Runtime
internal import Service
internal import Settings
internal import Tracing
internal import Values

/// What sends webhooks, and what `/v1` needs of them.
struct WebhookParts {
  /// Endpoints and deliveries.
  let keeping: PooledWebhooks
  private let secrets: WebhookSecrets?
  private let rules: WebhookRules
  private let retention: Duration
  private let sending: Sending?

  /// What sends; a gateway without keys sends nothing.
  private struct Sending {
    let dispatcher: WebhookDispatcher
    let notifier: Notifier

    /// There is something to send, here or elsewhere.
    func wake() {
      dispatcher.wake()
      notifier.notify()
    }
  }

  private static let tables = GatewayTables()

  init(
    _ settings: WebhookSettings, database: ProgramDatabase, readers: ConnectionPool, writers: ConnectionPool,
    notify: ConnectionPool, refunds: PooledRefunds, traces: TraceBook, _ context: ProgramContext
  ) throws {
    secrets = settings.secretKeys.map { WebhookSecrets($0) }
    rules = WebhookRules(allowsPrivate: settings.allowsPrivate)
    retention = .seconds(86_400 * settings.retentionDays)
    sending = try secrets.map { secrets in
      let logger = context.logger.labelled("webhooks")
      let connection = SerialConnection(
        try database.indexed(role: "webhooks"), logger: logger, stop: context.stop)
      let dispatcher = WebhookDispatcher(
        WebhookQueue(Self.tables), connection, secrets: secrets,
        refunds: { wanted, done in
          Task { done(await RefundsOfEvents.show(wanted) { await refunds.find($0) }) }
        }, options: WebhookOptions(settings), userAgent: context.program.name, logger: logger, metrics: context.metrics,
        traces: traces)
      let notifier = Notifier(channel: GatewayTables.webhookChannel, pool: notify, logger: context.logger) {
        dispatcher.hasOthers
      }
      return Sending(dispatcher: dispatcher, notifier: notifier)
    }
    keeping = PooledWebhooks(Self.tables, readers: readers, writers: writers) { [sending] in sending?.wake() }
  }

  /// To be called after commits that may have written events. Callable on any thread.
  func wake() { sending?.wake() }

  /// What was heard on `GatewayTables.webhookChannel`; nil when something may have been missed.
  func heard(_ payload: String?) {
    if payload == "" { sending?.dispatcher.wake() } else { sending?.dispatcher.endpointsChanged() }
  }

  /// They stop before the pools that they use.
  var entries: [ServiceEntry] {
    sending.map { [.part($0.notifier), .part($0.dispatcher)] } ?? []
  }

  /// The tables with a partition a day.
  var days: [DayCare.Table] {
    WebhookQueue.days(Self.tables).map {
      DayCare.Table("what was sent to webhooks", $0, daysAhead: WebhookQueue.daysAhead, retention: retention)
    }
  }

  func addRoutes(to router: inout HTTPRouter, _ handlers: RouteHandlers) {
    WebhookRoutes(keeping, secrets: secrets, rules: rules, handlers: handlers).add(to: &router)
  }
}

extension WebhookOptions {
  fileprivate init(_ settings: WebhookSettings) {
    self.init()
    timeout = settings.timeout
    calls = settings.calls
    endpointCalls = settings.endpointCalls
    patience = .seconds(86_400 * settings.patienceDays)
    allowsPrivate = settings.allowsPrivate
  }
}
