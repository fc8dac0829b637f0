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
func unit(_ module: String, _ dependencies: [String], exclude: [String] = []) -> Target {
  .testTarget(
    name: "\(module)Tests", dependencies: dependencies.map { .byName(name: $0) },
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
      targets: [
        "Errors", "Kafka", "Logger", "Metrics", "Migrator", "Outbox", "OutboxKafka", "OutboxSchema", "Postgres",
        "Runtime", "Tracing", "Values",
      ]),
    // The inbox for other services: docs/inbox.md.
    .library(
      name: "Inbox",
      targets: ["Errors", "Inbox", "Kafka", "Logger", "Metrics", "Postgres", "Runtime", "Tracing", "Values"]),
    // The gRPC server, and a small client, for other services: docs/grpc.md.
    .library(
      name: "GRPC",
      targets: [
        "Errors", "GRPC", "Gzip", "HTTP2", "Logger", "Metrics", "Protobuf", "Runtime", "StandardMessages", "TLS",
        "Tracing", "Values",
      ]),
    .executable(name: "payments-server", targets: ["payments-server"]),
    .executable(name: "payments-consumer", targets: ["payments-consumer"]),
    .executable(name: "payments-cron", targets: ["payments-cron"]),
    .executable(name: "payments-processor", targets: ["payments-processor"]),
    .executable(name: "payments-gateway", targets: ["payments-gateway"]),
    .executable(name: "paysaga", targets: ["paysaga"]),
    .executable(name: "devkafka", targets: ["devkafka"]),
    .executable(name: "bankstub", targets: ["bankstub"]),
  ],
  targets: [
    // C libraries: each is imported by exactly one module.
    system("CLibpq", pkgConfig: "libpq", apt: "libpq-dev"),
    system("CHiredis", apt: "libhiredis-dev"),
    system("CRdkafka", pkgConfig: "rdkafka", apt: "librdkafka-dev"),
    system("CNghttp2", pkgConfig: "libnghttp2", apt: "libnghttp2-dev"),
    system("CMicrohttpd", pkgConfig: "libmicrohttpd", apt: "libmicrohttpd-dev"),
    system("CGnutls", pkgConfig: "gnutls", apt: "libgnutls28-dev"),
    system("CCurl", pkgConfig: "libcurl", apt: "libcurl4-openssl-dev"),
    system("CCrypto", pkgConfig: "libcrypto", apt: "libssl-dev"),
    system("COpenSSL", pkgConfig: "openssl", apt: "libssl-dev"),
    system("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
    .target(name: "CLinux", path: "internal/system/CLinux"),
    // Version and commit are compiled into one small file, so that others recompile nothing else.
    .target(
      name: "CBuildInfo", path: "internal/system/CBuildInfo",
      cSettings: [("PAYSAGA_COMMIT", "BUILD_COMMIT"), ("PAYSAGA_VERSION", "BUILD_VERSION")].compactMap { name, macro in
        Context.environment[name].map { .define(macro, to: "\"\($0)\"") }
      }),
    // Files that are compiled in; they lie where they belong.
    .target(name: "CEmbedded", path: "internal/system/CEmbedded"),

    // Under everything.
    box("Values", "kit/Values"),
    box("Money", "kit/Money"),
    box("Crypto", "kit/Crypto", ["CCrypto"]),
    box("Runtime", "kit/Runtime", ["CLinux", "Values"]),
    box("Errors", "kit/Errors"),
    box("Logger", "kit/Logger", ["Runtime", "Values"]),
    box("Metrics", "kit/Metrics"),
    box("Tracing", "kit/Tracing", ["Values"]),
    box("Settings", "kit/Settings", ["CBuildInfo", "Errors", "Logger", "Values"]),

    // The network.
    box("TLS", "net/TLS", ["COpenSSL", "Errors", "Values"]),
    box("HTTP2", "net/HTTP2", ["CNghttp2", "Errors", "Runtime", "TLS", "Values"]),
    box("Gzip", "net/Gzip", ["CZlib", "Errors"]),
    box("Protobuf", "net/Protobuf"),
    box("HTTPClient", "net/HTTPClient", ["CCurl", "Errors", "Runtime", "Values"]),
    box("StandardMessages", "net/StandardMessages", ["Protobuf"]),
    box(
      "GRPC", "net/GRPC",
      [
        "Errors", "Gzip", "HTTP2", "Logger", "Metrics", "Protobuf", "Runtime", "StandardMessages", "TLS", "Tracing",
        "Values",
      ]),
    box(
      "OTLP", "net/OTLP",
      ["HTTPClient", "Logger", "Metrics", "Protobuf", "Runtime", "Tracing", "Values"]),

    box(
      "HTTPServer", "net/HTTPServer",
      ["CGnutls", "CMicrohttpd", "Errors", "Logger", "Metrics", "Runtime", "TLS", "Tracing", "Values"]),

    // What runs a program.
    box("Admin", "service/Admin", ["Crypto", "HTTPServer", "Logger", "Metrics", "Runtime", "Values"]),
    box(
      "Service", "service/Service",
      ["Admin", "HTTPServer", "Logger", "Metrics", "OTLP", "Runtime", "Settings", "TLS", "Tracing", "Values"]),

    // Storage and brokers.
    box("Postgres", "data/Postgres", ["CLibpq", "Errors", "Logger", "Metrics", "Runtime", "Values"]),
    box("Migrator", "data/Migrator", ["Errors", "Logger", "Postgres", "Runtime", "Values"]),
    box("GroupCommit", "data/GroupCommit", ["Errors", "Logger", "Metrics", "Postgres", "Values"]),
    box("Idempotency", "data/Idempotency", ["Postgres", "Values"]),
    box("Archive", "data/Archive", ["Errors", "Logger", "Metrics", "Postgres", "Runtime", "Values"]),
    box("Redis", "data/Redis", ["CHiredis", "Errors", "Logger", "Runtime", "Values"]),
    box("Kafka", "data/Kafka", ["CRdkafka", "Errors", "Logger", "Metrics", "Runtime", "Values"]),
    box("Outbox", "data/Outbox", ["Errors", "Logger", "Metrics", "Postgres", "Runtime", "Tracing", "Values"]),
    // `sql` is a link to migrations/outbox.
    .target(
      name: "OutboxSchema", dependencies: ["Migrator", "Outbox"], path: "internal/data/OutboxSchema",
      resources: [.embedInCode("sql")], swiftSettings: common),
    box(
      "OutboxKafka", "data/OutboxKafka",
      ["Errors", "Kafka", "Logger", "Metrics", "Outbox", "Postgres", "Runtime", "Tracing", "Values"]),
    box("Inbox", "data/Inbox", ["Errors", "Kafka", "Logger", "Metrics", "Postgres", "Runtime", "Tracing", "Values"]),
    box(
      "ClientSettings", "data/ClientSettings",
      ["Errors", "Kafka", "Logger", "Metrics", "Postgres", "Runtime", "Settings", "Values"]),
    box("DevKafka", "data/DevKafka", ["Kafka", "Logger", "Runtime", "Values"]),

    // The imitated bank.
    box("BankStubDomain", "bankstub/Domain", ["Money", "Values"]),
    box("BankStubSettings", "bankstub/Settings", ["Settings", "Values"]),
    box(
      "BankStub", "bankstub/Stub",
      [
        "Admin", "BankStubDomain", "BankStubSettings", "Errors", "HTTPServer", "Logger", "Metrics", "Money", "Runtime",
        "Service", "Values",
      ]),

    // What the contexts of direct payments tell each other.
    box("DirectDomain", "direct/Domain", ["Money", "Values"]),
    box(
      "SagaClient", "direct/SagaClient",
      [
        "Errors", "GRPC", "Metrics", "Money", "Protobuf", "Runtime", "SagaMessages", "Settings", "StandardMessages",
        "TLS", "Tracing", "Values",
      ]),
    box("Cards", "direct/Cards", ["Crypto", "Values"]),
    box("UserNames", "direct/Users", ["Crypto", "Values"]),
    box(
      "DirectPipeline", "direct/Pipeline",
      [
        "Admin", "ClientSettings", "Inbox", "Kafka", "Logger", "OutboxKafka", "Runtime", "Service", "Settings",
        "Values",
      ]),

    // The ledger of direct payments.
    box("LedgerDomain", "ledger/Domain", ["Money", "Values"]),
    box("LedgerStore", "ledger/Store", ["Crypto", "LedgerDomain", "Money", "Postgres", "Values"]),
    // `sql` is a link to migrations/ledger.
    .target(
      name: "LedgerSchema", dependencies: ["Migrator"], path: "internal/ledger/Schema",
      resources: [.embedInCode("sql")], swiftSettings: common),

    // The risk of direct payments.
    .target(
      name: "RiskDomain", dependencies: ["DirectDomain", "Money", "Values"], path: "internal/risk/Domain",
      resources: [.embedInCode("files")], swiftSettings: common),
    box("RiskStore", "risk/Store", ["Crypto", "DirectDomain", "Money", "Postgres", "RiskDomain", "Values"]),
    // `sql` is a link to migrations/risk.
    .target(
      name: "RiskSchema", dependencies: ["Migrator"], path: "internal/risk/Schema",
      resources: [.embedInCode("sql")], swiftSettings: common),

    // What executes direct payments.
    box("ProcessingDomain", "processing/Domain", ["DirectDomain", "LedgerDomain", "Money", "RiskDomain", "Values"]),
    box(
      "ProcessingStore", "processing/Store",
      [
        "Archive", "DirectDomain", "LedgerDomain", "LedgerStore", "Money", "Outbox", "Postgres", "ProcessingDomain",
        "RiskDomain", "RiskStore", "Tracing", "Values",
      ]),
    box(
      "Bank", "processing/Bank",
      ["Cards", "HTTPClient", "Logger", "Metrics", "Money", "ProcessingDomain", "Runtime", "Tracing", "Values"]),
    box(
      "ProcessingSettings", "processing/Settings",
      ["ClientSettings", "Money", "ProcessingDomain", "RiskDomain", "SagaClient", "Settings", "Values"]),
    box(
      "Processor", "processing/Processor",
      [
        "Admin", "Bank", "Cards", "ClientSettings", "Crypto", "DirectDomain", "Errors", "GroupCommit", "LedgerDomain",
        "LedgerStore", "Logger", "Metrics", "Money", "Outbox", "Postgres", "ProcessingDomain", "ProcessingSchema",
        "ProcessingSettings", "ProcessingStore", "RiskStore", "Runtime", "Service", "Tracing", "Values",
      ]),
    box(
      "ProcessingProgram", "processing/Program",
      [
        "Admin", "Archive", "ClientSettings", "DirectDomain", "DirectPipeline", "Errors", "Inbox", "Kafka",
        "LedgerStore", "Logger", "Metrics", "Outbox", "OutboxKafka", "Postgres", "ProcessingDebits", "ProcessingOrders",
        "ProcessingSchema", "ProcessingSettings", "ProcessingStore", "Processor",
        "RiskStore", "Runtime", "SagaClient", "Service", "Settings", "Tracing", "Values",
      ]),
    box(
      "ProcessingOrders", "processing/Orders",
      [
        "Logger", "Metrics", "Postgres", "ProcessingDomain", "ProcessingStore", "Runtime", "SagaClient",
        "Values",
      ]),
    box(
      "ProcessingDebits", "processing/Debits",
      [
        "Crypto", "Inbox", "Kafka", "LedgerDomain", "LedgerStore", "Money", "Outbox", "Postgres", "ProcessingStore",
        "Tracing", "UserNames", "Values",
      ]),
    box(
      "Reconciliation", "processing/Reconciliation",
      [
        "Crypto", "DirectDomain", "LedgerDomain", "LedgerStore", "Money", "Postgres", "ProcessingDomain",
        "ProcessingStore", "Values",
      ]),
    box(
      "ProcessingAudit", "processing/Audit",
      ["LedgerDomain", "LedgerStore", "Logger", "Postgres", "ProcessingOrders", "Values"]),
    // `sql` is a link to migrations/processing.
    .target(
      name: "ProcessingSchema",
      dependencies: [
        "LedgerSchema", "Logger", "Migrator", "Outbox", "OutboxSchema", "Postgres", "RiskSchema", "Runtime",
      ],
      path: "internal/processing/Schema", resources: [.embedInCode("sql")], swiftSettings: common),

    // What takes direct payments in.
    box("GatewayDomain", "gateway/Domain", ["Cards", "DirectDomain", "Money", "Values"]),
    box(
      "GatewayStore", "gateway/Store",
      [
        "Archive", "Cards", "Crypto", "DirectDomain", "Errors", "GatewayDomain", "GroupCommit", "Idempotency", "Inbox",
        "Kafka", "Logger", "Metrics", "Money", "Outbox", "Postgres", "Runtime", "UserNames", "Tracing", "Values",
      ]),
    // `sql` is a link to migrations/gateway.
    .target(
      name: "GatewaySchema",
      dependencies: ["Logger", "Migrator", "Outbox", "OutboxSchema", "Postgres", "Runtime"],
      path: "internal/gateway/Schema", resources: [.embedInCode("sql")], swiftSettings: common),
    box(
      "GatewaySettings", "gateway/Settings",
      [
        "Cards", "ClientSettings", "GatewayDomain", "Logger", "Money", "ProcessingSettings", "SagaClient", "Settings",
        "Values",
      ]),
    .target(
      name: "GatewayDocuments", dependencies: ["CEmbedded", "HTTPServer"], path: "internal/gateway/Documents",
      exclude: ["page"], swiftSettings: common),
    box(
      "GatewayWebhooks", "gateway/Webhooks",
      [
        "DirectDomain", "Errors", "GatewayDomain", "GatewayStore", "HTTPClient", "Logger", "Metrics", "Postgres",
        "Runtime", "Tracing", "Values",
      ]),
    box(
      "GatewayLimits", "gateway/Limits", ["GatewayDomain", "Logger", "Metrics", "Redis", "Runtime", "Values"]),
    box(
      "GatewayAPI", "gateway/API",
      [
        "Cards", "Crypto", "DirectDomain", "GatewayDomain", "GatewayStore", "HTTPServer", "LedgerDomain", "LedgerStore",
        "Logger", "Metrics", "Money", "ProcessingDomain", "ProcessingStore", "Processor", "Runtime", "SagaClient",
        "Tracing", "Values",
      ]),

    box(
      "GatewaySurfaces", "gateway/Surfaces",
      [
        "Cards", "Crypto", "DirectDomain", "GatewayAPI", "GatewayDomain", "GatewayStore", "HTTPServer", "LedgerStore",
        "Money", "Tracing", "UserNames", "Values",
      ]),
    .target(
      name: "GatewayPage",
      dependencies: [
        "Cards", "Crypto", "DirectDomain", "GatewayAPI", "GatewayDomain", "GatewayStore", "HTTPServer", "LedgerDomain",
        "LedgerStore", "Logger", "Money", "Outbox", "ProcessingDomain", "ProcessingStore", "Processor", "RiskDomain",
        "RiskStore", "Tracing", "Values",
      ], path: "internal/gateway/Page", resources: [.embedInCode("assets")], swiftSettings: common),
    box(
      "GatewayServer", "gateway/Server",
      [
        "Admin", "Archive", "Cards", "ClientSettings", "DirectDomain", "DirectPipeline", "Errors", "GatewayAPI",
        "GatewayDocuments", "GatewayDomain", "GatewayLimits", "GatewayPage", "GatewaySchema", "GatewaySettings",
        "GatewayStore", "GatewaySurfaces", "GatewayWebhooks", "HTTPServer", "Inbox", "LedgerStore", "Logger", "Metrics",
        "Money", "Outbox",
        "OutboxKafka", "Postgres", "ProcessingDomain", "ProcessingSchema", "ProcessingSettings", "ProcessingStore",
        "Processor", "RiskStore", "Runtime",
        "SagaClient", "Service", "Settings", "TLS", "UserNames", "Tracing", "Values",
      ]),

    // The saga's payment step.
    // `sql` is a link to migrations/saga.
    .target(
      name: "SagaSchema", dependencies: ["Logger", "Migrator", "Outbox", "OutboxSchema", "Postgres", "Runtime"],
      path: "internal/saga/Schema", resources: [.embedInCode("sql")], swiftSettings: common),
    box("SagaDomain", "saga/Domain", ["Errors", "Tracing", "Values"]),
    box("SagaSettings", "saga/Settings", ["ClientSettings", "Logger", "Settings", "Values"]),
    box(
      "SagaStore", "saga/Store",
      [
        "Archive", "Errors", "GroupCommit", "Idempotency", "Logger", "Metrics", "Outbox", "Postgres", "Runtime",
        "SagaDomain", "Tracing", "Values",
      ]),
    box("SagaMessages", "saga/Messages", ["Protobuf", "StandardMessages"]),
    box(
      "SagaAPI", "saga/API",
      [
        "Errors", "GRPC", "Logger", "Metrics", "Protobuf", "Redis", "Runtime", "SagaDomain", "SagaMessages",
        "StandardMessages", "Values",
      ]),
    box(
      "SagaServer", "saga/Server",
      [
        "Admin", "ClientSettings", "Errors", "GRPC", "HTTP2", "Logger", "Metrics", "Outbox", "Postgres",
        "Runtime", "SagaAPI", "SagaCron", "SagaDomain", "SagaSchema", "SagaSettings", "SagaStore", "Service",
        "Settings", "StandardMessages", "TLS", "Tracing", "Values",
      ]),
    box(
      "SagaConsumer", "saga/Consumer",
      [
        "Admin", "ClientSettings", "Errors", "Inbox", "Kafka", "Logger", "Metrics", "Outbox", "Postgres", "Redis",
        "SagaDomain", "SagaSchema", "SagaSettings", "SagaStore", "Service", "Settings", "Tracing", "Values",
      ]),
    box(
      "SagaCron", "saga/Cron",
      [
        "Admin", "Archive", "ClientSettings", "Errors", "GroupCommit", "Inbox", "Kafka", "Logger", "Metrics", "Outbox",
        "OutboxKafka", "Postgres", "Runtime", "SagaDomain", "SagaSchema", "SagaSettings", "SagaStore", "Service",
        "Settings", "Tracing", "Values",
      ]),
    box("SagaAudit", "saga/Audit", ["Errors", "Kafka", "Logger", "Postgres", "Values"]),

    // Programs.
    box(
      "CLI", "cli",
      [
        "ClientSettings", "DirectDomain", "Errors", "GRPC", "GatewayDomain", "GatewaySchema", "GatewayStore", "HTTP2",
        "HTTPClient",
        "Inbox", "Kafka", "LedgerDomain", "LedgerStore", "Logger", "Metrics", "Migrator", "Money", "Outbox", "Postgres",
        "ProcessingAudit", "ProcessingDebits", "ProcessingDomain", "ProcessingSchema", "ProcessingSettings",
        "ProcessingStore", "Protobuf", "Reconciliation", "Redis",
        "RiskDomain", "RiskStore", "Runtime", "SagaAudit", "SagaStore",
        "SagaDomain", "SagaMessages", "SagaSchema", "SagaSettings", "Settings", "StandardMessages", "TLS", "Values",
      ]),
    .target(
      name: "Contexts",
      dependencies: [
        "BankStubSettings", "GatewaySchema", "GatewaySettings", "Migrator", "ProcessingSchema", "ProcessingSettings",
        "SagaSchema", "SagaSettings", "Settings",
      ],
      path: "cmd/contexts", swiftSettings: common),
    program("payments-gateway", "gateway", ["Contexts", "GatewayServer", "GatewaySettings", "Service", "Settings"]),
    program("payments-server", "server", ["Contexts", "SagaServer", "SagaSettings", "Service", "Settings"]),
    program("payments-consumer", "consumer", ["Contexts", "SagaConsumer", "SagaSettings", "Service", "Settings"]),
    program(
      "payments-processor", "processor",
      ["Contexts", "ProcessingProgram", "ProcessingSettings", "Service", "Settings"]),
    program("payments-cron", "cron", ["Contexts", "SagaCron", "SagaSettings", "Service", "Settings"]),
    program("paysaga", "paysaga", ["CLI", "Contexts"]),
    program("devkafka", "devkafka", ["DevKafka"]),
    program("bankstub", "bankstub", ["BankStub", "BankStubSettings", "Contexts", "Service", "Settings"]),
    .executableTarget(
      name: "bench-load",
      dependencies: [
        "HTTP2", "Kafka", "LedgerDomain", "LedgerStore", "Logger", "Money", "Postgres", "Protobuf", "Runtime",
        "SagaMessages", "Values",
      ], path: "bench/load", swiftSettings: common),
    .executableTarget(
      name: "bench-ping",
      dependencies: [
        "GRPC", "HTTP2", "Logger", "Metrics", "OTLP", "SagaMessages", "StandardMessages", "Tracing", "Values",
      ],
      path: "bench/ping", swiftSettings: common),

    // Tests.
    .executableTarget(
      name: "outbox-example",
      dependencies: [
        "Kafka", "Logger", "Metrics", "Migrator", "Outbox", "OutboxKafka", "OutboxSchema", "Postgres", "Runtime",
        "Values",
      ], path: "tests/example", swiftSettings: common),
    .executableTarget(
      name: "inbox-example",
      dependencies: ["Inbox", "Kafka", "Logger", "Metrics", "Postgres", "Runtime", "Values"],
      path: "tests/inbox-example", swiftSettings: common),
    // `migrations` is compiled in.
    .executableTarget(
      name: "context-example",
      dependencies: [
        "Admin", "CLI", "ClientSettings", "Contexts", "Inbox", "Kafka", "Logger", "Migrator", "Outbox", "OutboxKafka",
        "OutboxSchema", "Postgres", "Runtime", "Service", "Settings", "Values",
      ], path: "tests/context-example", resources: [.embedInCode("migrations")], swiftSettings: common),
    .executableTarget(
      name: "grpc-example",
      dependencies: ["GRPC", "HTTP2", "Logger", "Metrics", "Protobuf", "Runtime", "StandardMessages", "Values"],
      path: "tests/grpc-example", exclude: ["prices.proto"], swiftSettings: common),
    .executableTarget(
      name: "interop-server", dependencies: ["GRPC", "HTTP2", "Logger", "Metrics", "Protobuf", "Runtime", "Values"],
      path: "tests/interop", exclude: ["interop.proto"], swiftSettings: common),
    .target(name: "Randomness", path: "tests/random", swiftSettings: common),
    .target(name: "RawHTTP", dependencies: ["Runtime"], path: "tests/raw-http", swiftSettings: common),
    .target(
      name: "SimulationSupport", dependencies: ["Randomness", "Values"], path: "tests/simulation/support",
      swiftSettings: common),
    .executableTarget(
      name: "relay-simulator", dependencies: ["Outbox", "Randomness", "SimulationSupport", "Values"],
      path: "tests/simulation/relay", swiftSettings: common),
    .executableTarget(
      name: "group-commit-simulator", dependencies: ["GroupCommit", "Randomness", "SimulationSupport", "Values"],
      path: "tests/simulation/group-commit", swiftSettings: common),
    .executableTarget(
      name: "payment-simulator",
      dependencies: [
        "DirectDomain", "LedgerDomain", "Money", "ProcessingDomain", "Randomness", "RiskDomain", "SimulationSupport",
        "Values",
      ],
      path: "tests/simulation/payment", swiftSettings: common),
    .target(
      name: "TestSupport", dependencies: ["Protobuf", "SagaMessages", "StandardMessages", "TLS", "Values"],
      path: "tests/support",
      swiftSettings: common),
    .target(
      name: "FuzzTargets",
      dependencies: [
        "Admin", "Bank", "Cards", "CLI", "DirectDomain", "Errors", "GatewayDomain", "GatewaySurfaces", "GRPC", "HTTP2",
        "HTTPServer",
        "Inbox", "Kafka", "Logger", "Metrics", "Money", "Postgres", "ProcessingDomain", "Protobuf", "Redis",
        "RiskDomain", "Runtime", "SagaConsumer", "SagaDomain", "SagaMessages", "SagaSettings", "Settings",
        "StandardMessages", "TestSupport", "Tracing", "UserNames", "Values",
      ], path: "tests/fuzz/targets", swiftSettings: common),
    unit("Admin", ["Admin", "Errors", "HTTPServer", "Logger", "Metrics", "Runtime", "Values"]),
    unit("Archive", ["Archive", "Values"]),
    unit(
      "Bank",
      [
        "Bank", "BankStub", "Cards", "HTTPClient", "Logger", "Metrics", "Money", "ProcessingDomain", "RawHTTP",
        "Runtime", "Tracing", "Values",
      ]),
    unit("Cards", ["Cards", "Randomness", "Values"]),
    unit("CLI", ["CLI", "GRPC", "Kafka", "Outbox", "SagaMessages", "StandardMessages", "Values"]),
    unit("Crypto", ["Crypto"]),
    unit("FuzzTargets", ["FuzzTargets", "Randomness"]),
    unit(
      "GRPC",
      [
        "GRPC", "Gzip", "HTTP2", "Logger", "Metrics", "Protobuf", "Runtime", "StandardMessages", "TLS", "TestSupport",
        "Values",
      ]),
    unit("GroupCommit", ["GroupCommit", "Values"]),
    unit("Gzip", ["Gzip"]),
    unit("HTTPServer", ["Errors", "HTTPServer", "Logger", "Metrics", "Runtime", "TLS", "TestSupport", "Values"]),
    unit("Inbox", ["Inbox", "Kafka", "Logger", "Metrics", "Postgres", "Runtime", "Values"]),
    unit("Kafka", ["Errors", "Kafka", "Logger", "Metrics", "Runtime", "Values"]),
    unit("Logger", ["Logger", "Runtime", "Values"]),
    unit(
      "Messages", ["Protobuf", "Randomness", "SagaMessages", "StandardMessages", "TestSupport"],
      exclude: ["golden"]),
    unit("Metrics", ["Metrics"]),
    unit(
      "Migrator",
      ["GatewaySchema", "LedgerSchema", "Migrator", "OutboxSchema", "ProcessingSchema", "RiskSchema", "SagaSchema"]),
    unit("Outbox", ["Metrics", "Outbox", "Runtime", "Values"]),
    unit("OutboxKafka", ["Kafka", "Logger", "Outbox", "OutboxKafka", "Runtime", "Values"]),
    unit("Postgres", ["Errors", "Postgres", "Values"]),
    unit("Protobuf", ["Protobuf"]),
    unit("Redis", ["Errors", "Logger", "Redis", "Runtime", "Values"]),
    unit("Runtime", ["Runtime", "Values"]),
    unit("SagaAPI", ["GRPC", "Metrics", "Runtime", "SagaAPI", "SagaDomain", "Values"]),
    unit("SagaAudit", ["SagaAudit", "Values"]),
    unit("SagaConsumer", ["Inbox", "Kafka", "SagaConsumer", "SagaDomain", "Values"]),
    unit("BankStub", ["BankStub", "HTTPClient", "Logger", "Metrics", "Values"]),
    unit("BankStubDomain", ["BankStubDomain", "Money", "Randomness", "Values"]),
    unit("DirectDomain", ["DirectDomain", "Money", "Values"]),
    unit("GatewayDomain", ["Cards", "DirectDomain", "GatewayDomain", "Money", "Values"]),
    unit(
      "GatewayStore",
      ["Cards", "DirectDomain", "GatewayDomain", "GatewayStore", "Idempotency", "Money", "Values"]),
    unit(
      "GatewayAPI",
      [
        "Cards", "DirectDomain", "GatewayAPI", "GatewayDomain", "GatewayStore", "HTTPClient", "HTTPServer",
        "LedgerDomain", "LedgerStore", "Logger", "Metrics", "Money", "ProcessingDomain", "ProcessingStore", "Processor",
        "Randomness", "Runtime", "SagaClient", "Tracing", "Values",
      ]),
    unit(
      "GatewayPage",
      [
        "Cards", "DirectDomain", "GatewayDomain", "GatewayPage", "LedgerDomain", "LedgerStore", "Money",
        "ProcessingStore", "RiskDomain", "RiskStore", "Values",
      ]),
    unit(
      "GatewaySurfaces",
      [
        "Cards", "DirectDomain", "GatewayAPI", "GatewayDomain", "GatewaySurfaces", "HTTPServer", "Money", "UserNames",
        "Values",
      ]),
    unit("GatewayWebhooks", ["GatewayWebhooks", "Values"]),
    unit("HTTPClient", ["HTTPClient", "RawHTTP", "Runtime", "Values"]),
    unit("LedgerDomain", ["LedgerDomain", "Money", "Randomness", "Values"]),
    unit("Money", ["Money"]),
    unit(
      "Processor", ["Bank", "GroupCommit", "Money", "Postgres", "ProcessingDomain", "Processor", "Runtime", "Values"]),
    unit("ProcessingDomain", ["DirectDomain", "LedgerDomain", "Money", "ProcessingDomain", "RiskDomain", "Values"]),
    unit("RiskDomain", ["DirectDomain", "Money", "Randomness", "RiskDomain", "Values"]),
    unit("ProcessingAudit", ["ProcessingAudit", "Values"]),
    unit("ProcessingDebits", ["LedgerDomain", "Money", "ProcessingDebits", "UserNames", "Values"]),
    unit("ProcessingOrders", ["ProcessingOrders", "ProcessingStore", "SagaClient", "Values"]),
    unit(
      "SagaClient",
      [
        "Errors", "GRPC", "HTTP2", "Logger", "Metrics", "Money", "Protobuf", "Runtime", "SagaClient", "SagaMessages",
        "Settings", "StandardMessages", "TLS", "TestSupport", "Tracing", "Values",
      ]),
    unit("SagaDomain", ["Randomness", "SagaDomain", "Tracing", "Values"]),
    unit("SagaStore", ["GroupCommit", "SagaDomain", "SagaStore", "Values"]),
    unit("Service", ["Runtime", "Service", "Values"]),
    unit(
      "Settings",
      [
        "BankStubSettings", "ClientSettings", "Contexts", "DirectDomain", "Errors", "GatewaySettings", "Kafka",
        "Logger",
        "ProcessingSettings", "RiskDomain", "SagaSettings", "Settings", "Values",
      ]),
    unit("OTLP", ["Logger", "Metrics", "OTLP", "RawHTTP", "Runtime", "Tracing", "Values"]),
    unit("Tracing", ["Tracing", "Values"]),
    unit("UserNames", ["UserNames", "Values"]),
    unit("Values", ["Randomness", "TestSupport", "Values"]),
    .testTarget(
      name: "IntegrationTests",
      dependencies: [
        "Archive", "Bank", "Cards", "DirectDomain", "Errors", "GatewayDomain", "GatewayLimits", "GatewaySchema",
        "GatewayStore",
        "GroupCommit",
        "Idempotency", "Inbox", "Kafka", "LedgerDomain", "LedgerSchema", "LedgerStore", "Logger", "Metrics", "Migrator",
        "Money", "Outbox", "OutboxSchema", "Postgres", "ProcessingAudit", "ProcessingDebits", "ProcessingDomain",
        "ProcessingOrders", "ProcessingSchema", "ProcessingSettings", "ProcessingStore", "Processor", "Randomness",
        "Reconciliation",
        "Redis",
        "RiskDomain", "RiskStore", "Runtime", "SagaClient", "SagaDomain", "SagaSchema", "SagaStore", "Tracing",
        "UserNames", "Values",
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
