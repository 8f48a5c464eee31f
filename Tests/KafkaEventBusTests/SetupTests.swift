// SPDX-License-Identifier: Apache-2.0
import EventBus
import Events
import KafkaEventBus
import TestSupport
import Testing

/// What is wrong with a cluster or a setting is named.
struct SetupTests {
    private func problemOfPreparing(_ bus: KafkaEventBus) async throws -> String {
        let error = await #expect(throws: BusError.self) { try await bus.prepare() }
        return try #require(error?.message)
    }

    @Test func tooFewPartitionsAreNamedWithBothCountsAndTheFix() async throws {
        let cluster = try MockCluster(topics: ["t.builds": 2, "t.environments": 4])
        let bus = makeBus(cluster.server)
        let text = try await problemOfPreparing(bus)
        for part in ["t.builds", "2 partitions", "4 are configured", "--partitions 4"] {
            #expect(text.contains(part), "\(text)")
        }
        // Whoever publishes is told as well, rather than kept waiting.
        let error = await #expect(throws: BusError.self) { try await bus.publish([event("k", "v")]) }
        #expect(error?.message == text)
        let problem = await bus.problem()
        #expect(problem == text)
    }

    @Test func morePartitionsThanConfiguredAreAcceptedAndNotUsed() async throws {
        let cluster = try MockCluster(topics: ["t.builds": 8, "t.environments": 4])
        try await withBus(cluster) { bus in
            try await bus.publish((0..<200).map { event("k\($0)", "\($0)") })
        }
        let stored = try contents(of: "t.builds", partitions: 8, on: cluster)
        #expect(stored.count == 200)
        for record in stored { #expect(Int(record.partition) == partition(ofKey: record.key, count: 4)) }
    }

    @Test func aClusterThatIsNotThereIsNamedInBoundedTime() async throws {
        let port = try DeadPort()
        let start = ContinuousClock.now
        let text = try await problemOfPreparing(makeBus("127.0.0.1:\(port.port)"))
        #expect(text.contains("127.0.0.1:\(port.port)"), "\(text)")
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test func aBrokerWithoutTLSIsNamedAsSuch() async throws {
        let cluster = try MockCluster(topics: storedTopics)
        let text = try await problemOfPreparing(makeBus(cluster.server, tls: .init()))
        #expect(text.contains("TLS does not fit") && text.contains("SLIPWAY_BUS_KAFKA_TLS"), "\(text)")
    }

    @Test func aFileOfAuthoritiesThatIsNotThereIsNamedAsSuch() async throws {
        let bus = makeBus("127.0.0.1:9092", tls: .init(authorities: "/nonexistent/ca.pem"))
        let error = await #expect(throws: (any Error).self) { try await bus.prepare() }
        let text = "\(try #require(error))"
        #expect(text.contains("SLIPWAY_BUS_KAFKA_CA"), "\(text)")
    }

    @Test func descriptionsOfTheConfigurationHoldNoSecret() {
        let configuration = KafkaConfiguration(
            servers: ["broker:9093"], tls: .init(), sasl: .init(mechanism: .plain, username: "u", password: "hunter2"),
            furtherSettings: ["ssl.key.password": "hunter2"])
        var dumped = ""
        dump(configuration, to: &dumped)
        for text in ["\(configuration)", String(reflecting: configuration), dumped, "\(configuration.sasl as Any)"] {
            #expect(!text.contains("hunter2"), "\(text)")
        }
        #expect("\(configuration)".contains("broker:9093"))
    }

    @Test func settingsThatDoNotFitAreNamedAndSecretsAmongThemNotRepeated() async throws {
        let misspelt = try await problemOfPreparing(makeBus("127.0.0.1:9092", further: ["linger.msec": "1"]))
        #expect(misspelt.contains("linger.msec"))
        let secret = try await problemOfPreparing(makeBus("127.0.0.1:9092", further: ["x.password": "hunter2"]))
        #expect(secret.contains("x.password") && !secret.contains("hunter2"))
    }
}
