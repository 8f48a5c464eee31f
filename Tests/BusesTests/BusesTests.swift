// SPDX-License-Identifier: Apache-2.0
import EventBus
import Foundation
import KafkaEventBus
import Logging
import PostgresEventBus
import TestSupport
import Testing

@testable import Buses
@testable import ServiceKit

private let urlVariable = "SLIPWAY_BUS_URL"
private let kafkaVariable = "SLIPWAY_BUS_KAFKA_"

struct BusesTests {
    private func environment() -> ServiceEnvironment {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return ServiceEnvironment(
            name: "test", logger: logger, readiness: Readiness(),
            runFile: RunFile(path: nil, listeners: [], logger: logger))
    }

    private func make(
        _ variables: [String: String]
    ) async throws -> (bus: (any EventBus)?, problems: [String], effective: [(key: String, value: String)]) {
        var settings = try Settings.load(variables)
        let bus = Buses.make(&settings, environment())
        return (bus, settings.problems, settings.effective)
    }

    // MARK: What is chosen

    @Test func theSchemeChoosesTheBus() async throws {
        let postgres = try await make([urlVariable: "postgres://u:sentinel-password@127.0.0.1:1/bus"])
        #expect(postgres.bus is PostgresEventBus)
        #expect(postgres.problems.isEmpty)
        let kafka = try await make([urlVariable: "kafka://127.0.0.1:1"])
        #expect(kafka.bus is KafkaEventBus)
        #expect(kafka.problems.isEmpty)
        for (_, value) in postgres.effective + kafka.effective { #expect(!value.contains("sentinel")) }
    }

    @Test func kafkaSettingsAreNotReadForPostgres() async throws {
        let made = try await make([
            urlVariable: "postgres://127.0.0.1:1/bus", kafkaVariable + "TLS": "perhaps",
            kafkaVariable + "SASL": "NONSENSE",
        ])
        #expect(made.bus != nil)
        #expect(made.problems.isEmpty)
    }

    @Test(arguments: ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
    func everySettingOfKafkaIsTaken(mechanism: String) async throws {
        try await withFile { path in
            let made = try await make([
                urlVariable: "kafka://a:1,b:2", kafkaVariable + "TLS": "true", kafkaVariable + "CA": path,
                kafkaVariable + "CERTIFICATE": path, kafkaVariable + "KEY": path, kafkaVariable + "SASL": mechanism,
                kafkaVariable + "USERNAME": "user", kafkaVariable + "PASSWORD": "sentinel-password",
                kafkaVariable + "REPLICATION": "3",
            ])
            #expect(made.problems.isEmpty)
            #expect(made.bus is KafkaEventBus)
            let effective = Dictionary(made.effective.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
            #expect(effective["bus.kafka.password"] == "<redacted>")
            #expect(effective["bus.kafka.sasl"] == mechanism)
        }
    }

    @Test func theSettingsReachTheConfiguration() async throws {
        try await withFile { path in
            var settings = try Settings.load([
                kafkaVariable + "TLS": "true", kafkaVariable + "CA": path, kafkaVariable + "SASL": "SCRAM-SHA-512",
                kafkaVariable + "USERNAME": "user", kafkaVariable + "PASSWORD": "sentinel-password",
                kafkaVariable + "REPLICATION": "3",
            ])
            let configuration = Buses.kafka(["a:1", "b:2"], &settings, environment())
            #expect(configuration.servers == ["a:1", "b:2"])
            #expect(configuration.tls == .init(authorities: path))
            #expect(
                configuration.sasl
                    == .init(mechanism: .scramSHA512, username: "user", password: "sentinel-password"))
            #expect(configuration.replicationFactor == 3)
            #expect(configuration.clientName == "test")
        }
    }

    // MARK: What is refused

    struct Mistake: Sendable, CustomTestStringConvertible {
        let variables: [String: String]
        /// What one of the problems has to name, the variable first.
        let names: [String]

        init(_ variables: [String: String], _ names: String...) {
            self.variables = variables
            self.names = names
        }

        /// A mistake among the settings of Kafka; `wrong` is the end of its variable's name.
        init(kafka settings: [String: String], _ wrong: String, _ names: String...) {
            variables = settings.reduce(into: [urlVariable: "kafka://127.0.0.1:1"]) {
                $0[kafkaVariable + $1.key] = $1.value
            }
            self.names = [kafkaVariable + wrong] + names
        }

        var testDescription: String { variables.keys.sorted().joined(separator: " ") }
    }

    @Test(arguments: [
        Mistake([:], urlVariable, "missing", "postgres://", "kafka://"),
        Mistake([urlVariable: "sentinel-password"], urlVariable, "<redacted>", "postgres://", "kafka://"),
        Mistake([urlVariable: "kafka://broker"], urlVariable, "<redacted>", "port"),
        Mistake(
            [urlVariable: "kafka://sentinel-user:sentinel-password@a:1"], urlVariable, "SLIPWAY_BUS_KAFKA_USERNAME"),
        Mistake([urlVariable: "kafka://a:1", "SLIPWAY_CLOUDSPACE": ""], "SLIPWAY_CLOUDSPACE"),
        Mistake(kafka: ["TLS": "yes"], "TLS", "true or false"),
        Mistake(kafka: ["REPLICATION": "0"], "REPLICATION", "whole number"),
        Mistake(kafka: ["REPLICATION": "many"], "REPLICATION", "whole number"),
        Mistake(
            kafka: ["SASL": "GSSAPI", "USERNAME": "u", "PASSWORD": "sentinel-password"], "SASL", "GSSAPI",
            "SCRAM-SHA-512"),
        Mistake(kafka: ["SASL": "PLAIN", "PASSWORD": "sentinel-password"], "USERNAME", "missing"),
        Mistake(kafka: ["SASL": "PLAIN", "USERNAME": "u"], "PASSWORD", "missing"),
        Mistake(kafka: ["USERNAME": "u"], "USERNAME", "SLIPWAY_BUS_KAFKA_SASL"),
        Mistake(kafka: ["PASSWORD": "sentinel-password"], "PASSWORD", "<redacted>", "SLIPWAY_BUS_KAFKA_SASL"),
        Mistake(kafka: ["CA": "/etc/passwd"], "CA", "SLIPWAY_BUS_KAFKA_TLS"),
        Mistake(kafka: ["TLS": "true", "CA": "/nonexistent/ca.pem"], "CA", "/nonexistent/ca.pem", "PEM"),
        Mistake(kafka: ["TLS": "true", "CERTIFICATE": "/etc/passwd"], "KEY", "SLIPWAY_BUS_KAFKA_CERTIFICATE"),
        Mistake(kafka: ["TLS": "true", "KEY": "/etc/passwd"], "CERTIFICATE", "SLIPWAY_BUS_KAFKA_KEY"),
    ])
    func mistakesAreNamedWithWhatIsExpectedAndWithoutSecrets(mistake: Mistake) async throws {
        let made = try await make(mistake.variables)
        #expect(made.bus == nil)
        #expect(
            made.problems.contains { problem in
                problem.hasPrefix(mistake.names[0]) && mistake.names.allSatisfy { problem.contains($0) }
            }, "\(made.problems)")
        for text in made.problems + made.effective.map(\.value) {
            #expect(!text.contains("sentinel"))
        }
    }

    @Test func allMistakesAreReportedAtOnce() async throws {
        let made = try await make([
            urlVariable: "kafka://127.0.0.1:1", kafkaVariable + "CA": "/nonexistent",
            kafkaVariable + "REPLICATION": "0",
            kafkaVariable + "USERNAME": "u",
        ])
        #expect(made.problems.count == 3)
    }

    // MARK: Readiness

    @Test(arguments: ["postgres://user:sentinel-password@127.0.0.1:PORT/bus", "kafka://127.0.0.1:PORT"])
    func aBusThatCannotBeReachedKeepsAProcessUnreadyThatNeedsIt(url: String) async throws {
        let port = try DeadPort()
        let variables = [urlVariable: url.replacing("PORT", with: "\(port.port)")]
        for isNeeded in [true, false] {
            let environment = environment()
            var settings = try Settings.load(variables)
            let made = Buses.make(&settings, environment, isNeededForReadiness: isNeeded)
            let bus = try #require(made)
            let running = Task { try await bus.run() }
            let problems = await environment.readiness.problems()
            let shortcomings = await environment.readiness.shortcomings()
            running.cancel()
            _ = await running.result
            #expect(Set(problems.keys) == (isNeeded ? ["bus"] : []))
            #expect(Set(shortcomings.keys) == (isNeeded ? [] : ["bus"]))
            #expect(problems.merging(shortcomings) { $1 }["bus"]?.contains("sentinel") == false)
        }
    }

    private func withFile(_ body: (String) async throws -> Void) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "buses-\(UUID()).pem")
        try Data("-----BEGIN CERTIFICATE-----\n".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        try await body(file.path)
    }
}
