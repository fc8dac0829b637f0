import Outbox
import Values

extension TopFigures {
  /// For machines: everything is there, null where nobody tells it. Times are in seconds.
  var record: Record {
    [
      "at": .time(at), "interval_ms": .number(interval.inMilliseconds),
      "programs": .list(programs.map(\.record)), "work": .list(flows.map(\.record)),
      "outboxes": .list(outboxes.map(\.record)), "orders": .object(Self.record(orders)),
      "direct": .object(Self.record(direct)), "people": .object(Self.record(people)), "bank": .optional(bank),
      "calls": .list(calls.map(\.record)), "missing": .json(Self.array(missing)),
    ]
  }

  fileprivate static func record(_ gauges: [Gauge]) -> Record {
    var record: Record = [:]
    for gauge in gauges { record.append(gauge.name.replacing(" ", with: "_"), .decimal(gauge.value)) }
    return record
  }

  private static func array(_ words: [String]) -> [UInt8] {
    var bytes: [UInt8] = []
    words.appendJSON(to: &bytes)
    return bytes
  }
}

extension TopFigures.Program {
  fileprivate var record: Record {
    [
      "address": .text(address), "program": .optional(name), "version": .text(version), "ready": .bool(isWell),
      "state": .text(state), "cpu": .decimal(processor), "memory_bytes": .decimal(memory),
    ]
  }
}

extension TopFigures.Flow {
  fileprivate var record: Record {
    var record: Record = [
      "name": .text(name), "rate": .decimal(rate), "p50_s": .decimal(median?.value), "p99_s": .decimal(slow?.value),
      "failed_rate": .decimal(failures),
    ]
    record.fields += TopFigures.record(waiting).fields
    return record
  }
}

extension TopFigures.Outbox {
  fileprivate var record: Record {
    [
      "outbox": .text(name), "rate": .decimal(rate), "p50_s": .decimal(median?.value), "p99_s": .decimal(slow?.value),
      "waiting": .number(Int64(status.waiting)), "oldest_s": .decimal(status.age.inSeconds),
      "blocked": .number(Int64(blocked)), "dead": .number(Int64(status.dead)),
      "paused_topics": .number(Int64(status.pausedTopics)), "relays": .number(Int64(relays)),
      "silent_relays": .number(Int64(silent)), "free_shards": .number(Int64(unleased)),
    ]
  }
}

extension Record.Value {
  /// Microseconds are the smallest parts; null for what nobody tells.
  fileprivate static func decimal(_ value: Double?) -> Record.Value {
    guard let value else { return .null }
    var bytes: [UInt8] = []
    ((value * 1e6).rounded() / 1e6).appendJSON(to: &bytes)
    return .json(bytes)
  }
}
