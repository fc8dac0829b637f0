internal import GatewayDomain
internal import Metrics
internal import Values

/// What is counted of webhooks.
struct WebhookMetrics: Sendable {
  let delivered: Counter
  let failed: Counter
  let givenUp: Counter
  let disabled: Counter
  let seconds: Histogram
  let oldest: Gauge
  let failing: Gauge
  let calls: Gauge
  let unreadable: Counter

  init(_ metrics: MetricsRegistry) {
    let attempts = "Attempts to deliver webhooks."
    delivered = metrics.counter("webhook_attempts_total", help: attempts, labels: ["outcome": "delivered"])
    failed = metrics.counter("webhook_attempts_total", help: attempts, labels: ["outcome": "failed"])
    givenUp = metrics.counter(
      "webhook_deliveries_failed_total", help: "Webhooks that nobody tries to deliver any more.")
    disabled = metrics.counter(
      "webhook_endpoints_disabled_total", help: "Webhook endpoints that were disabled for their failures or a 410.")
    seconds = metrics.histogram(
      "webhook_attempt_seconds", help: "Time of an attempt, from its beginning to the receiver's answer.")
    oldest = metrics.gauge(
      "webhook_oldest_due_seconds",
      help: "For how long the webhook that has waited longest has been due, whichever gateway is to send it.")
    failing = metrics.gauge("webhook_endpoints_failing", help: "Enabled webhook endpoints that take nothing.")
    unreadable = metrics.counter(
      "webhook_unreadable_total", help: "Webhooks put off for minutes, since what they tell of cannot be read here.")
    calls = metrics.gauge("webhook_calls_in_flight", help: "Calls of webhook receivers under way.")
  }
}
