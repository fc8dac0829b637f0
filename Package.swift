// swift-tools-version: 6.2
import PackageDescription

/// Settings of every target: Swift 6 mode, the upcoming features we rely on, and no warning let through.
let common: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .enableExperimentalFeature("Lifetimes"),
  .treatAllWarnings(as: .error),
]

/// A library target: the box of docs/architecture.md that lives in `internal/<path>`.
func box(_ name: String, _ path: String, _ dependencies: [String] = []) -> Target {
  .target(
    name: name, dependencies: dependencies.map { .byName(name: $0) }, path: "internal/\(path)",
    swiftSettings: common)
}

/// An executable: wiring only.
func program(_ name: String, _ path: String, _ dependencies: [String]) -> Target {
  .executableTarget(
    name: name, dependencies: dependencies.map { .byName(name: $0) }, path: "cmd/\(path)",
    swiftSettings: common)
}

/// Unit tests of one box.
func unit(_ module: String, _ more: [String] = [], exclude: [String] = []) -> Target {
  .testTarget(
    name: "\(module)Tests", dependencies: ([module, "TestSupport"] + more).map { .byName(name: $0) },
    path: "tests/unit/\(module)Tests", exclude: exclude, swiftSettings: common)
}

/// A C library bound through the module map in `internal/system/<name>`.
func system(_ name: String, pkgConfig: String? = nil, apt: String) -> Target {
  .systemLibrary(name: name, path: "internal/system/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}

let package = Package(
  name: "paysaga",
  products: [
    // The outbox for other services, with what they need to use it: docs/outbox.md.
    .library(
      name: "Outbox",
      targets: ["Outbox", "OutboxKafka", "Database", "Kafka", "Logger", "Metrics", "Migrator", "Runtime"]),
    // The gRPC server, and a small client, for other services: docs/grpc.md.
    .library(name: "GRPC", targets: ["GRPC", "HTTP2", "Logger", "Messages", "Metrics", "Protobuf", "Runtime", "TLS"]),
    .executable(name: "payments-server", targets: ["payments-server"]),
    .executable(name: "payments-consumer", targets: ["payments-consumer"]),
    .executable(name: "payments-cron", targets: ["payments-cron"]),
    .executable(name: "paysaga", targets: ["paysaga"]),
    .executable(name: "devkafka", targets: ["devkafka"]),
  ],
  targets: [
    // C libraries: each is imported by exactly one module.
    system("CLibpq", pkgConfig: "libpq", apt: "libpq-dev"),
    system("CHiredis", apt: "libhiredis-dev"),
    system("CRdkafka", pkgConfig: "rdkafka", apt: "librdkafka-dev"),
    system("CNghttp2", pkgConfig: "libnghttp2", apt: "libnghttp2-dev"),
    system("CMicrohttpd", pkgConfig: "libmicrohttpd", apt: "libmicrohttpd-dev"),
    system("COpenSSL", pkgConfig: "openssl", apt: "libssl-dev"),
    system("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
    .target(name: "CLinux", path: "internal/system/CLinux"),

    // Under everything.
    box("Runtime", "runtime", ["CLinux"]),
    box("Errs", "errs"),
    box("Config", "config", ["Errs", "Logger", "Runtime"]),
    box("Logger", "monitoring/logger", ["Runtime"]),
    box("Metrics", "monitoring/metrics", ["Runtime"]),
    box("Tracing", "monitoring/tracing"),
    box("AdminHTTP", "monitoring/admin", ["CMicrohttpd", "Errs", "Logger", "Metrics", "Runtime"]),

    // The domain.
    box("Payments", "services/payment", ["Errs", "Runtime", "Tracing"]),
    box("SystemService", "services/system"),

    // Storage.
    box("Database", "storage/db", ["CLibpq", "Errs", "Logger", "Metrics", "Runtime"]),
    box("Migrator", "storage/migrator", ["Database", "Errs", "Logger", "Runtime"]),
    box("Outbox", "storage/repo/event", ["Database", "Errs", "Logger", "Metrics", "Runtime"]),
    box(
      "PaymentRepository", "storage/repo/payment",
      ["Database", "Errs", "Logger", "Metrics", "Outbox", "Payments", "Runtime", "Tracing"]),

    // Clients.
    box("Kafka", "clients/kafka", ["CRdkafka", "Errs", "Logger", "Metrics", "Runtime"]),
    box("Redis", "clients/redis", ["CHiredis", "Errs", "Logger", "Metrics", "Runtime"]),

    // RPC.
    box("Protobuf", "rpc/protobuf"),
    box("Messages", "rpc/messages", ["Protobuf"]),
    box("TLS", "rpc/tls", ["COpenSSL", "Errs", "Runtime"]),
    box("HTTP2", "rpc/http2", ["CNghttp2", "Errs", "Logger", "Metrics", "Runtime", "TLS"]),
    box("Gzip", "rpc/gzip", ["CZlib", "Errs"]),
    box(
      "GRPC", "rpc/grpc",
      ["Errs", "Gzip", "HTTP2", "Logger", "Messages", "Metrics", "Protobuf", "Runtime", "TLS"]),

    // Composition roots and programs.
    box(
      "ProgramSupport", "app/program",
      ["AdminHTTP", "Config", "Database", "Errs", "Kafka", "Logger", "Metrics", "Outbox", "Runtime"]),
    box("OutboxKafka", "app/outbox", ["Database", "Errs", "Kafka", "Logger", "Outbox", "Runtime"]),
    box(
      "CronApp", "app/cron",
      [
        "AdminHTTP", "Config", "Database", "Errs", "Kafka", "Logger", "Metrics", "Outbox", "OutboxKafka",
        "PaymentRepository", "Payments", "ProgramSupport", "Runtime",
      ]),
    box(
      "ServerApp", "app/server",
      [
        "AdminHTTP", "Config", "CronApp", "Database", "Errs", "GRPC", "Kafka", "Logger", "Messages", "Metrics",
        "Outbox", "PaymentRepository", "Payments", "ProgramSupport", "Protobuf", "Redis", "Runtime", "SystemService",
        "TLS", "Tracing",
      ]),
    box(
      "ConsumerApp", "app/consumer",
      [
        "AdminHTTP", "Config", "Database", "Errs", "Kafka", "Logger", "Metrics", "Outbox", "PaymentRepository",
        "Payments", "ProgramSupport", "Redis", "Runtime", "Tracing",
      ]),
    box("Audit", "app/audit", ["Config", "Database", "Errs", "Kafka", "Logger", "Runtime"]),
    program("payments-server", "server", ["Config", "ProgramSupport", "ServerApp"]),
    program("payments-consumer", "consumer", ["Config", "ConsumerApp", "ProgramSupport"]),
    program("payments-cron", "cron", ["Config", "CronApp", "ProgramSupport"]),
    program(
      "paysaga", "paysaga",
      [
        "Audit", "Config", "Database", "Errs", "GRPC", "HTTP2", "Kafka", "Logger", "Messages", "Metrics", "Migrator",
        "Outbox", "Payments", "Protobuf", "Runtime", "TLS",
      ]),
    program("devkafka", "devkafka", ["Errs", "Kafka", "Logger", "Runtime"]),
    .executableTarget(
      name: "bench-load",
      dependencies: ["HTTP2", "Kafka", "Logger", "Messages", "Protobuf", "Runtime"], path: "bench/load",
      swiftSettings: common),
    .executableTarget(
      name: "bench-ping", dependencies: ["GRPC", "HTTP2", "Logger", "Messages", "Metrics"], path: "bench/ping",
      swiftSettings: common),

    // Tests.
    .executableTarget(
      name: "outbox-example",
      dependencies: [
        "Database", "Kafka", "Logger", "Metrics", "Migrator", "Outbox", "OutboxKafka", "Runtime",
      ], path: "tests/example", swiftSettings: common),
    .target(
      name: "TestSupport", dependencies: ["Messages", "Protobuf", "Runtime"], path: "tests/support",
      swiftSettings: common),
    .target(
      name: "FuzzTargets",
      dependencies: [
        "Config", "ConsumerApp", "Database", "Errs", "GRPC", "HTTP2", "Logger", "Messages", "Metrics", "Payments",
        "Protobuf", "Redis", "Runtime", "TestSupport",
      ], path: "tests/fuzz/targets", swiftSettings: common),
    .executableTarget(
      name: "interop-server", dependencies: ["GRPC", "HTTP2", "Logger", "Metrics", "Protobuf", "Runtime"],
      path: "tests/interop", exclude: ["interop.proto"], swiftSettings: common),
    .executableTarget(
      name: "grpc-example", dependencies: ["GRPC", "HTTP2", "Logger", "Messages", "Metrics", "Protobuf", "Runtime"],
      path: "tests/grpc-example", exclude: ["prices.proto"], swiftSettings: common),
    .executableTarget(
      name: "relay-simulator", dependencies: ["Outbox", "Runtime"], path: "tests/simulation", swiftSettings: common),
    unit("Runtime"),
    unit("Config", ["Errs", "Logger", "Runtime"]),
    unit("Logger", ["Runtime"]),
    unit("Metrics", ["Runtime"]),
    unit("AdminHTTP", ["Errs", "Logger", "Metrics", "Runtime"]),
    unit("Tracing"),
    unit("Payments", ["Errs", "Runtime", "Tracing"]),
    unit("Database", ["Errs", "Runtime"]),
    unit("Migrator", ["Errs", "Runtime"]),
    unit("Outbox", ["Errs", "Runtime"]),
    unit("Kafka", ["Errs", "Logger", "Runtime"]),
    unit("Redis", ["Errs", "Logger", "Runtime"]),
    unit("Protobuf"),
    unit("Messages", ["Protobuf"], exclude: ["golden"]),
    unit("Gzip", ["Errs"]),
    unit("GRPC", ["Errs", "Gzip", "HTTP2", "Logger", "Messages", "Metrics", "Protobuf", "Runtime", "TLS"]),
    unit("PaymentRepository"),
    unit("Audit", ["Runtime"]),
    unit("FuzzTargets"),
    unit("ConsumerApp", ["Kafka", "Payments", "Runtime"]),
    unit("ServerApp", ["Metrics", "Payments", "Runtime"]),
    .testTarget(
      name: "PaysagaTests",
      dependencies: ["paysaga", "Config", "GRPC", "HTTP2", "Kafka", "Messages", "Outbox", "Payments", "Runtime"],
      path: "tests/unit/PaysagaTests", swiftSettings: common),
    .testTarget(
      name: "IntegrationTests",
      dependencies: [
        "Config", "ConsumerApp", "CronApp", "Database", "Errs", "Kafka", "Logger", "Metrics", "Migrator", "Outbox",
        "PaymentRepository", "Payments", "Redis", "Runtime", "TestSupport",
      ], path: "tests/integration", swiftSettings: common),
  ]
)

// The fuzzer needs the compiler's instrumentation: internal/stack/fuzz.sh builds it, in a folder of its own.
if Context.environment["PAYSAGA_FUZZ"] == "1" {
  package.targets += [
    .target(name: "CLibFuzzer", path: "tests/fuzz/libfuzzer"),
    .executableTarget(
      name: "fuzz-driver", dependencies: ["CLibFuzzer", "FuzzTargets"], path: "tests/fuzz/driver",
      swiftSettings: common),
  ]
}
