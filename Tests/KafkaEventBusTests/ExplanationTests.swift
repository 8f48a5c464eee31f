// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import Testing

@testable import KafkaEventBus

/// What librdkafka reports when a cluster does not let this client in names the setting to look at.
struct ExplanationTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let reason: String
        var code = RD_KAFKA_RESP_ERR__TRANSPORT
        var tls: KafkaConfiguration.TLS?
        var mechanism: KafkaConfiguration.SASL.Mechanism?
        let expected: [String]
    }

    // As librdkafka 2.0.2 has them, seen at a broker that wants what the client does not do.
    private static let ownCertificate = KafkaConfiguration.TLS(certificate: "own.pem", key: "own.key")
    static let cases = [
        Case(
            testDescription: "no TLS where the broker speaks it",
            reason: "Disconnected while requesting ApiVersion: might be caused by incorrect security.protocol "
                + "configuration (connecting to a SSL listener?) or broker version is < 0.10",
            expected: ["TLS", "SLIPWAY_BUS_KAFKA_TLS to true", "SLIPWAY_BUS_URL"]),
        Case(
            testDescription: "TLS where the broker does not speak it",
            reason: "SSL handshake failed: error:0A000126:SSL routines::unexpected eof while reading",
            code: RD_KAFKA_RESP_ERR__SSL, tls: .init(), expected: ["TLS does not fit", "SLIPWAY_BUS_KAFKA_TLS"]),
        Case(
            testDescription: "another authority",
            reason: "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate "
                + "could not be verified, verify that ssl.ca.location is correctly configured",
            code: RD_KAFKA_RESP_ERR__SSL, tls: .init(),
            expected: ["certificate of the broker", "SLIPWAY_BUS_KAFKA_CA", "SLIPWAY_BUS_URL"]),
        Case(
            testDescription: "no client certificate",
            reason: "Receive failed: error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number "
                + "116",
            tls: .init(), expected: ["asks for a client certificate", "SLIPWAY_BUS_KAFKA_CERTIFICATE"]),
        Case(
            testDescription: "a client certificate of another authority",
            reason: "Receive failed: error:0A000418:SSL routines::tlsv1 alert unknown ca: SSL alert number 48",
            tls: ownCertificate, expected: ["refused the certificate", "SLIPWAY_BUS_KAFKA_CERTIFICATE"]),
        Case(
            testDescription: "no credentials",
            reason: "Disconnected: verify that security.protocol is correctly configured, broker might require SASL "
                + "authentication",
            tls: .init(), expected: ["credentials", "SLIPWAY_BUS_KAFKA_SASL", "SLIPWAY_BUS_KAFKA_PASSWORD"]),
        Case(
            testDescription: "a mechanism that the broker lacks",
            reason: "SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's "
                + "supported mechanisms: PLAIN",
            code: RD_KAFKA_RESP_ERR__AUTHENTICATION, tls: .init(), mechanism: .scramSHA512,
            expected: ["does not take SCRAM-SHA-512", "SLIPWAY_BUS_KAFKA_SASL", "PLAIN"]),
        Case(
            testDescription: "a wrong password", reason: "SASL authentication error: Authentication failed",
            code: RD_KAFKA_RESP_ERR__AUTHENTICATION, tls: .init(), mechanism: .plain,
            expected: ["credentials of user slipway (PLAIN)", "SLIPWAY_BUS_KAFKA_PASSWORD"]),
    ]

    private func explanation(_ example: Case, version: Int32) -> String {
        let sasl = example.mechanism.map {
            KafkaConfiguration.SASL(mechanism: $0, username: "slipway", password: "sentinel-password")
        }
        let configuration = KafkaConfiguration(servers: ["broker:9093"], tls: example.tls, sasl: sasl)
        return configuration.explanation(of: KafkaFailure(example.code, example.reason), version: version)
    }

    @Test(arguments: cases) func aRefusalNamesTheSettingAndIsNotWaitedOn(_ example: Case) {
        let text = explanation(example, version: 0x0200_02FF)
        for part in example.expected { #expect(text.contains(part), "\(text)") }
        #expect(text.contains(example.reason), "\(text)")
        #expect(!text.contains("sentinel-password"), "\(text)")
        #expect(KafkaFailure(example.code, example.reason).isRefusal)
    }

    @Test func onlyAnOldLibraryIsSuspectedWhenSCRAMIsRefused() {
        for mechanism in KafkaConfiguration.SASL.Mechanism.allCases {
            let example = Case(
                testDescription: "", reason: "SASL authentication error: Authentication failed",
                code: RD_KAFKA_RESP_ERR__AUTHENTICATION, mechanism: mechanism, expected: [])
            let isSCRAM = mechanism != .plain
            #expect(explanation(example, version: 0x0200_02FF).contains("here it is 2.0.2") == isSCRAM)
            #expect(!explanation(example, version: 0x0206_01FF).contains("librdkafka"))
        }
    }

    @Test func aBrokerThatIsNotThereIsNoRefusal() {
        let failure = KafkaFailure(RD_KAFKA_RESP_ERR__TRANSPORT, "Connect to ipv4#127.0.0.1:9 failed")
        #expect(!failure.isRefusal)
        let text = KafkaConfiguration(servers: ["broker:9092"]).explanation(of: failure)
        #expect(text.contains("no broker answers at broker:9092"))
    }
}
