public import Migrator

extension GatewaySchema {
  /// The role of `GATEWAY_DSN`. Tables of days and months are made by the gateway itself, so it acts as their owner.
  public static let roles = ContextRoles(
    context: "gateway", owner: "paysaga_gateway_owner", schemas: [name], users: ["paysaga_gateway": .asOwner])
}
