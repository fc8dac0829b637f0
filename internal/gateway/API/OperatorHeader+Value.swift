internal import GatewayDomain
internal import HTTPServer

extension OperatorHeader {
  /// - Returns: nil where there is none, and for what is no name.
  static func value(_ headers: HTTPHeaders) -> String? {
    let values = headers.values(name)
    guard values.count == 1, let value = values.first, (1...longest).contains(value.utf8.count),
      value.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
    else { return nil }
    return value
  }
}
