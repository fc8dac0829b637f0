internal import GatewayAPI
internal import Service

extension GatewayBody {
  /// What follows payments.
  func makeLive(at places: WaiterPlaces, _ reads: BlockingReads, _ handlers: RouteHandlers) -> LiveFeed {
    LiveFeed(at: places, reads, handlers: handlers, metrics: context.metrics)
  }
}
