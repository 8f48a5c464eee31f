// SPDX-License-Identifier: Apache-2.0
import EventBus
import FoundationEssentials
import KafkaEventBus
import Logging
import Postgres
import PostgresEventBus
import ServiceKit

/// Picks the event bus that the settings name.
public enum Buses {
    private static let replicationMax = 32

    /// Makes the bus that `SLIPWAY_BUS_URL` names, for `Service`s to run: embedded in Postgres for `postgres://`, Kafka
    /// for `kafka://` with the settings `SLIPWAY_BUS_KAFKA_…`. `SLIPWAY_CLOUDSPACE` is the prefix of all names on it.
    /// Connects to nothing yet.
    ///
    /// - Parameters:
    ///   - connectionsMax: sessions with Postgres for publishing and reading; members of groups have one more each.
    ///   - isNeededForReadiness: makes the readiness of the process depend on the bus, as the condition `bus`;
    ///     otherwise `bus` is only named by it.
    /// - Returns: `nil` only when `settings` holds a problem.
    public static func make(
        _ settings: inout Settings, _ environment: ServiceEnvironment, connectionsMax: Int = 8,
        isNeededForReadiness: Bool = true
    ) -> (any EventBus)? {
        let cloudspace = settings.string("cloudspace", default: "local")
        let url = settings.string("bus.url", isSecret: true, expected: BusAddress.forms)
        guard !url.isEmpty else { return nil }
        let bus: any EventBus
        do {
            switch try BusAddress(url) {
            case .postgres(let url):
                bus = PostgresEventBus(
                    ownPool: .init(url: url, name: environment.name + "-bus", connectionsMax: connectionsMax),
                    prefix: cloudspace, logger: environment.logger)
            case .kafka(let servers):
                let configuration = kafka(servers, &settings, environment)
                bus = KafkaEventBus(configuration: configuration, prefix: cloudspace, logger: environment.logger)
            }
        } catch {
            settings.refuse("bus.url", isSecret: true, expected: error.expected)
            return nil
        }
        guard (try? settings.check()) != nil else { return nil }
        if isNeededForReadiness {
            environment.readiness.require("bus") { await bus.problem() }
        } else {
            environment.readiness.wish("bus") { await bus.problem() }
        }
        return bus
    }

    // MARK: Kafka

    static func kafka(
        _ servers: [String], _ settings: inout Settings, _ environment: ServiceEnvironment
    ) -> KafkaConfiguration {
        let tls = tls(&settings)
        let sasl = sasl(&settings)
        if let sasl, sasl.mechanism == .plain, tls == nil {
            environment.logger.warning("the bus is given its password in clear text: SLIPWAY_BUS_KAFKA_TLS is false")
        }
        return KafkaConfiguration(
            servers: servers, tls: tls, sasl: sasl,
            replicationFactor: settings.int("bus.kafka.replication", default: 1, in: 1...replicationMax),
            clientName: environment.name, memberName: settings.optionalString("bus.kafka.member"))
    }

    private static func tls(_ settings: inout Settings) -> KafkaConfiguration.TLS? {
        let isOn = settings.bool("bus.kafka.tls", default: false)
        let authorities = file("bus.kafka.ca", isTLS: isOn, &settings)
        let certificate = file("bus.kafka.certificate", isTLS: isOn, &settings)
        let key = file("bus.kafka.key", isTLS: isOn, &settings)
        if (certificate == nil) != (key == nil) {
            settings.refuse(
                certificate == nil ? "bus.kafka.certificate" : "bus.kafka.key",
                expected: "a PEM file, since SLIPWAY_BUS_KAFKA_CERTIFICATE and SLIPWAY_BUS_KAFKA_KEY go together")
        }
        return isOn ? .init(authorities: authorities, certificate: certificate, key: key) : nil
    }

    private static func file(_ setting: String, isTLS: Bool, _ settings: inout Settings) -> String? {
        guard let path = settings.optionalString(setting) else { return nil }
        if !isTLS {
            settings.refuse(setting, expected: "no value, or SLIPWAY_BUS_KAFKA_TLS to be true")
        } else if !FileManager.default.isReadableFile(atPath: path) {
            settings.refuse(setting, expected: "a PEM file that this process can read")
        }
        return path
    }

    private static func sasl(_ settings: inout Settings) -> KafkaConfiguration.SASL? {
        typealias Mechanism = KafkaConfiguration.SASL.Mechanism
        let mechanisms = Mechanism.allCases.map(\.rawValue).joined(separator: ", ")
        guard let name = settings.optionalString("bus.kafka.sasl") else {
            for (setting, isSecret) in [("bus.kafka.username", false), ("bus.kafka.password", true)]
            where settings.optionalString(setting, isSecret: isSecret) != nil {
                settings.refuse(
                    setting, isSecret: isSecret, expected: "no value, or SLIPWAY_BUS_KAFKA_SASL to be \(mechanisms)")
            }
            return nil
        }
        let expected = "a text, since SLIPWAY_BUS_KAFKA_SASL is set"
        let username = settings.string("bus.kafka.username", expected: expected)
        let password = settings.string("bus.kafka.password", isSecret: true, expected: expected)
        guard let mechanism = Mechanism(rawValue: name) else {
            settings.refuse("bus.kafka.sasl", expected: "one of \(mechanisms)")
            return nil
        }
        return .init(mechanism: mechanism, username: username, password: password)
    }
}

extension Settings {
    /// Records that the value of `key` does not fit.
    fileprivate mutating func refuse(_ key: String, isSecret: Bool = false, expected: String) {
        _ = value(key, isSecret: isSecret, expected: expected) { _ -> Never? in nil }
    }
}
