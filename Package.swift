// swift-tools-version: 6.2
import PackageDescription

// Folders are written out: the tree is laid out by concern (`shared/`, `services/`, `cli/`), not by SwiftPM's default.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
]

func product(_ name: String, _ package: String) -> Target.Dependency {
    .product(name: name, package: package)
}

let nioCore = product("NIOCore", "swift-nio")
let nioPosix = product("NIOPosix", "swift-nio")
let nioHTTP1 = product("NIOHTTP1", "swift-nio")
let logging = product("Logging", "swift-log")
let lifecycle = product("ServiceLifecycle", "swift-service-lifecycle")
let hummingbird = product("Hummingbird", "hummingbird")
let hummingbirdCore = product("HummingbirdCore", "hummingbird")
let hummingbirdTesting = product("HummingbirdTesting", "hummingbird")
let httpClient = product("AsyncHTTPClient", "async-http-client")
let crypto = product("Crypto", "swift-crypto")
let yams = product("Yams", "Yams")
let argumentParser = product("ArgumentParser", "swift-argument-parser")
let httpTypes = product("HTTPTypes", "swift-http-types")
let subprocess = product("Subprocess", "swift-subprocess")

let metrics = product("CoreMetrics", "swift-metrics")
let systemPackage = product("SystemPackage", "swift-system")

func tests(_ module: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(
        name: "\(module)Tests", dependencies: dependencies, path: "Tests/\(module)Tests", exclude: exclude,
        swiftSettings: strict)
}

/// A service's library; services never depend on one another.
func service(_ name: String, _ folder: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(
        name: name,
        dependencies: [
            "Buses", "Domain", "EventBus", "Events", "Messaging", "Postgres", "Secrets", "ServiceKit", logging,
            lifecycle,
        ] + dependencies, path: "services/\(folder)/Sources", swiftSettings: strict)
}

/// The thin `main` over a service's library.
func executable(
    _ name: String, _ library: String, _ folder: String, _ dependencies: [Target.Dependency] = []
) -> Target {
    .executableTarget(
        name: name, dependencies: [.target(name: library), "ServiceKit"] + dependencies, path: "\(folder)/Main",
        swiftSettings: strict)
}

/// A leaf library of `shared/`.
func shared(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, path: "shared/\(name)", swiftSettings: strict)
}

let package = Package(
    name: "slipway",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.14.0"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.9.0"),
        .package(url: "https://github.com/apple/swift-system.git", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        // Without its traits: full Foundation would cost each service some 10 MB of memory.
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.0", traits: []),
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.0.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.30.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.8.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess.git", from: "1.0.0", traits: []),
    ],
    targets: [
        .systemLibrary(name: "CLibPQ", path: "shared/CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(
            name: "CRdKafka", path: "shared/CRdKafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"])]),
        shared("Domain", []),
        shared("Secrets", [crypto]),
        shared("Manifest", ["Domain", yams]),
        shared("Events", ["Domain", "Secrets"]),
        shared("EventBus", ["Domain", "Events", lifecycle, metrics]),
        shared("Threads", []),
        shared("Postgres", ["CLibPQ", "Domain", "Threads", logging, lifecycle]),
        shared("PostgresEventBus", ["Domain", "EventBus", "Events", "Postgres", logging, lifecycle]),
        shared("KafkaEventBus", ["CRdKafka", "Domain", "EventBus", "Events", "Threads", logging, lifecycle]),
        shared("Messaging", ["Domain", "EventBus", "Events", "Postgres", logging, lifecycle, metrics]),
        shared(
            "ServiceKit",
            [metrics, hummingbird, logging, lifecycle, "Domain"]),
        shared("Buses", ["EventBus", "KafkaEventBus", "Postgres", "PostgresEventBus", "ServiceKit", logging]),
        shared("EngineClient", ["Domain", httpClient, nioCore, nioPosix, nioHTTP1, logging]),
        shared("TestSupport", ["Domain", "EventBus", "Events", "Postgres"]),
        service("Controller", "controller", []),
        .target(
            name: "Scheduler", dependencies: ["Domain"], path: "services/controller/Scheduler", swiftSettings: strict),
        service("Ingress", "ingress", [nioCore, nioPosix, metrics]),
        service("RunnerAgent", "runner-agent", ["EngineClient", httpClient, nioCore, nioPosix, nioHTTP1, metrics]),
        service("Builder", "builder", ["EngineClient", subprocess, metrics]),
        service("ServicesAPI", "services-api", [crypto]),
        service(
            "ControlPanel", "control-panel",
            [
                "Manifest", hummingbird, hummingbirdCore, httpTypes, crypto, subprocess, systemPackage, yams, nioCore,
                metrics,
            ]),
        executable("slipway-controller", "Controller", "services/controller"),
        executable("slipway-ingress", "Ingress", "services/ingress"),
        executable("slipway-runner", "RunnerAgent", "services/runner-agent"),
        executable("slipway-builder", "Builder", "services/builder"),
        executable("slipway-services", "ServicesAPI", "services/services-api"),
        executable("slipway-panel", "ControlPanel", "services/control-panel", [argumentParser]),
        .target(
            name: "SlipwayCLI",
            dependencies: ["Domain", argumentParser, httpClient, nioCore, nioPosix, nioHTTP1, subprocess],
            path: "cli/Sources", swiftSettings: strict),
        .executableTarget(
            name: "slipway", dependencies: ["SlipwayCLI"], path: "cli/Main", swiftSettings: strict),
        .executableTarget(
            name: "bus-bench",
            dependencies: [
                "Domain", "EventBus", "Events", "KafkaEventBus", "Messaging", "Postgres", "PostgresEventBus", logging,
            ], path: "Benchmarks/bus/Sources", swiftSettings: strict),
        .executableTarget(
            name: "bus-soak",
            dependencies: [
                "Buses", "Domain", "EventBus", "Events", "Messaging", "Postgres", "ServiceKit", logging, lifecycle,
            ], path: "Benchmarks/soak/Sources", swiftSettings: strict),
        .executableTarget(
            name: "scheduler-bench", dependencies: ["Domain", "Scheduler"], path: "Benchmarks/scheduler",
            swiftSettings: strict),
        tests("Domain", ["Domain"]),
        tests("Secrets", ["Secrets"]),
        tests("Events", ["Domain", "Events", "Secrets"], exclude: ["Golden", "Released"]),
        tests("Threads", ["Threads"]),
        tests("Postgres", ["Domain", "Postgres", "TestSupport"]),
        tests(
            "EventBus",
            [
                "Domain", "EventBus", "Events", "KafkaEventBus", "Postgres", "PostgresEventBus", "TestSupport",
                lifecycle, logging,
            ]),
        tests(
            "KafkaEventBus",
            [
                "CRdKafka", "Domain", "EventBus", "Events", "KafkaEventBus", "Messaging", "Postgres", "TestSupport",
                logging,
            ]),
        .executableTarget(
            name: "kafka-leak-check",
            dependencies: ["CRdKafka", "Domain", "EventBus", "Events", "KafkaEventBus", logging],
            path: "Tests/KafkaLeakCheck", swiftSettings: strict),
        tests(
            "Buses", ["Buses", "EventBus", "KafkaEventBus", "PostgresEventBus", "ServiceKit", "TestSupport", logging]),
        tests(
            "Messaging",
            ["Domain", "EventBus", "Events", "Messaging", "Postgres", "PostgresEventBus", "TestSupport", logging]),
        tests("ServiceKit", ["ServiceKit", logging]),
        tests(
            "Controller",
            [
                "Controller", "Domain", "EventBus", "Events", "Messaging", "Postgres", "PostgresEventBus", "Secrets",
                "TestSupport", logging,
            ]),
        tests("Scheduler", ["Domain", "Scheduler"]),
        tests("Manifest", ["Domain", "Manifest"]),
        tests("SlipwayCLI", ["Domain", "SlipwayCLI", argumentParser]),
        tests(
            "Builder",
            [
                "Builder", "Domain", "EngineClient", "EventBus", "Events", "Messaging", "Postgres", "Secrets",
                "TestSupport", logging,
            ]),
        tests(
            "ServicesAPI",
            [
                "Domain", "EventBus", "Events", "Messaging", "Postgres", "Secrets", "ServicesAPI", "TestSupport",
                logging,
            ]),
        tests("EngineClient", ["Domain", "EngineClient", nioCore, nioPosix, nioHTTP1, logging]),
        tests(
            "RunnerAgent",
            ["Domain", "EngineClient", "EventBus", "Events", "RunnerAgent", "Secrets", "TestSupport", logging]),
        tests(
            "Ingress",
            [
                "Domain", "EventBus", "Events", "Ingress", "Messaging", "TestSupport", lifecycle, logging, nioCore,
                nioPosix,
            ]),
        tests(
            "ControlPanel",
            [
                "ControlPanel", "Domain", "EventBus", "Events", "Messaging", "Postgres", "PostgresEventBus", "Secrets",
                "TestSupport", hummingbird, hummingbirdTesting, httpTypes, logging, nioCore, nioPosix, yams,
            ]),
    ]
)
