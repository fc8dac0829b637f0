/// A command: made from its arguments, run once.
protocol Subcommand: Sendable {
  static var usage: Usage { get }
  /// - Throws: a usage error.
  init(_ arguments: Arguments) throws(CommandError)
  func run(_ session: Session) throws
}

/// All commands, in the order in which `--help` lists them.
enum Subcommands {
  static let all: [any Subcommand.Type] = [
    MigrateUp.self, MigrateDown.self, MigrateStatus.self, MigrateRoles.self, MigrateGrants.self, Push.self, Pay.self,
    Fail.self, Get.self, List.self,
    Watch.self, Trace.self, OutboxStatusCommand.self, OutboxList.self, OutboxRequeue.self, OutboxReplay.self,
    OutboxPause.self,
    OutboxResume.self, OutboxTakeOver.self, OperationsList.self, InventoryList.self, InventoryShow.self,
    InventoryRequeue.self, InventoryDiscard.self, Lag.self, Top.self, Doctor.self, AuditCommand.self, PaymentsGet.self,
    PaymentsList.self,
    DeadLetters.self, PaymentsRequeue.self, PaymentsDiscard.self,
    PaymentsHistory.self, PaymentsCancel.self, PaymentsRefund.self, PaymentsRefunds.self, AccountsGet.self,
    AccountsList.self, AccountsOpen.self, AccountsEntries.self, AccountsTopUp.self, AccountsSpend.self, Exceptions.self,
    ExceptionsShow.self,
    ExceptionsClose.self, Reconcile.self, ReconcileClearing.self, ReconcileRelease.self, RiskList.self, RiskReplay.self,
    RiskApprove.self, RiskDecline.self, KeysCreate.self, KeysList.self, KeysRevoke.self, KeysRotate.self,
    WebhooksList.self, WebhooksShow.self, WebhooksDeliveries.self, WebhooksCreate.self, WebhooksRedeliver.self,
    WebhooksEnable.self, WebhooksDisable.self, WebhooksRotate.self, WebhooksDelete.self,
    Completion.self, Manual.self,
  ]

  static let usages = all.map { $0.usage }

  static func named(_ name: String) -> any Subcommand.Type {
    guard let command = all.first(where: { $0.usage.name == name }) else {
      preconditionFailure("the parser found \(name), which is no command")
    }
    return command
  }
}
