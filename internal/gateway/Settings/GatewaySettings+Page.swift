internal import Settings

extension GatewaySettings {
  /// The pages for people.
  public struct Page: Sendable {
    /// `GATEWAY_PAGE`: whether `GATEWAY_ADDR` has pages beside `/v1`.
    public var isOn = false
    /// `GATEWAY_PAGE_TEST_CARDS`: whether they offer the cards of the imitated bank.
    public var hasTestCards = false
  }

  static let pageRows: [Setting<GatewaySettings>] = [
    .boolean(
      "GATEWAY_PAGE", \.page.isOn, .value("true"), programs,
      "serve pages for people beside `/v1`, from `/` on; they ask for an API key unless `GATEWAY_AUTH=open`"),
    .boolean(
      "GATEWAY_PAGE_TEST_CARDS", \.page.hasTestCards, .value("false"), programs,
      "offer the cards of the imitated bank on those pages"),
  ]
}
