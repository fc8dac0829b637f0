internal import LedgerDomain
internal import Money
public import Values

extension WrittenTransfer {
  /// As an entry of the story of what it belongs to.
  public var story: Story.Entry {
    let word =
      switch transfer.kind {
      case .single: "moved"
      case .pending: "held"
      case .post: "posted"
      case .void: "released"
      }
    return Story.Entry(
      at, "ledger", word,
      [
        "amount_minor": .number(transfer.amount.minorUnits), "currency": .text(transfer.amount.currency.code),
        "debit": .uuid(transfer.debit), "credit": .uuid(transfer.credit), "transfer": .uuid(transfer.id),
        "hold": .uuidOrNil(transfer.pendingID),
      ])
  }
}
