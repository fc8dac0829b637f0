internal import Money
internal import Values

/// The rows of a statement in JSON, an object each.
struct JSONStatementRows: Sendable {
  /// The currency decides how the amount is read, and may come after it: then the object is read a second time.
  func row(
    _ bytes: [UInt8], line: Int64, _ currencies: inout KnownCurrencies
  ) throws(StatementFault) -> StatementRow {
    let values = StatementValues(line: line)
    do {
      var fields = try Fields(bytes, nil, values, &currencies)
      if fields.amount == nil, let currency = fields.currency {
        fields = try Fields(bytes, currency, values, &currencies)
      }
      guard let id = fields.operationID else { throw values.missing(.operationID) }
      guard fields.currency != nil else { throw values.missing(.currency) }
      guard let amount = fields.amount else { throw values.missing(.amount) }
      guard let status = fields.status else { throw values.missing(.status) }
      guard let time = fields.time else { throw values.missing(.time) }
      return try values.row(id, amount, status, time)
    } catch let fault as StatementFault {
      throw fault
    } catch {
      throw StatementFault(line, "\(error)")
    }
  }

  private struct Fields {
    var operationID: UniqueID?
    var amount: Money?
    var currency: Currency?
    var status: StatementRow.Status?
    var time: Timestamp?

    init(
      _ bytes: [UInt8], _ known: Currency?, _ values: StatementValues, _ currencies: inout KnownCurrencies
    ) throws {
      currency = known
      var scanner = try JSONScanner(bytes, maximumBytes: StatementReader.maximumRowBytes)
      try scanner.beginObject()
      while let name = try scanner.nextKey() {
        switch StatementField(rawValue: name) {
        case .operationID: operationID = try scanner.uniqueID()
        case .amount:
          guard let currency else {
            try scanner.skipValue()
            continue
          }
          amount = Money(minorUnits: try scanner.minorUnits(exponent: currency.exponent), currency)
        case .currency: currency = try values.currency(scanner.string().utf8, &currencies)
        case .status: status = try values.status(scanner.string().utf8)
        case .time: time = try values.time(scanner.string().utf8)
        case nil: try scanner.skipValue()
        }
      }
      try scanner.end()
    }
  }
}
