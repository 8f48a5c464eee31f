// SPDX-License-Identifier: Apache-2.0
import CRdKafka

extension KafkaFailure {
    /// Whether the broker or this client does not want the other. Librdkafka goes on trying, which does not help until
    /// somebody changes something. That TLS or SASL does not fit is often just an end of the connection to it, and only
    /// the reason tells.
    var isRefusal: Bool {
        switch code {
        case RD_KAFKA_RESP_ERR__AUTHENTICATION, RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, RD_KAFKA_RESP_ERR__SSL:
            true
        default: reason.contains("SSL") || reason.contains("SASL")
        }
    }

    /// Whether a broker found fault with this client's certificate, or with there being none: the names that OpenSSL
    /// gives to alerts.
    fileprivate var isAboutClientCertificate: Bool {
        reason.contains("SSL alert")
            && ["certificate", "unknown ca", "handshake failure"].contains { reason.contains($0) }
    }
}

extension KafkaConfiguration {
    /// The first librdkafka that does SCRAM as RFC 5802 has it. Kafka overlooks the difference until version 4.
    private static let scramVersion: Int32 = 0x0206_0100

    /// What keeps the brokers from answering, and what to do about it.
    ///
    /// - Parameter version: of librdkafka, as it tells it.
    func explanation(of failure: KafkaFailure?, version: Int32 = rd_kafka_version()) -> String {
        guard let failure else { return "no broker answers at \(serverList)" }
        switch failure.code {
        // Librdkafka calls that a failure of the credentials.
        case _ where failure.reason.contains("mechanism handshake failed"):
            return "the broker does not take \(sasl?.mechanism.rawValue ?? "the mechanism"): check "
                + "SLIPWAY_BUS_KAFKA_SASL (\(failure))"
        case RD_KAFKA_RESP_ERR__AUTHENTICATION, RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
            guard let sasl else { return missingCredentials(failure) }
            return "the broker refused the credentials of user \(sasl.username) (\(sasl.mechanism.rawValue)): check "
                + "SLIPWAY_BUS_KAFKA_USERNAME, SLIPWAY_BUS_KAFKA_PASSWORD and SLIPWAY_BUS_KAFKA_SASL"
                + suspicion(of: sasl.mechanism, version) + " (\(failure))"
        case _ where sasl == nil && failure.reason.contains("require SASL"): return missingCredentials(failure)
        case RD_KAFKA_RESP_ERR__SSL: return misfitOfTLS(failure)
        case _ where failure.reason.contains("SSL"): return misfitOfTLS(failure)
        default: return "no broker answers at \(serverList): \(failure)"
        }
    }

    /// Brokers that ask for credentials say so by hanging up.
    private func missingCredentials(_ failure: KafkaFailure) -> String {
        "the broker at \(serverList) ends the connection: if it asks for credentials, set SLIPWAY_BUS_KAFKA_SASL, "
            + "SLIPWAY_BUS_KAFKA_USERNAME and SLIPWAY_BUS_KAFKA_PASSWORD (\(failure))"
    }

    private func misfitOfTLS(_ failure: KafkaFailure) -> String {
        guard let tls else {
            return "TLS does not fit at \(serverList): if the broker speaks it, set SLIPWAY_BUS_KAFKA_TLS to true, "
                + "otherwise check the port in SLIPWAY_BUS_URL (\(failure))"
        }
        if failure.reason.contains("certificate verify failed") {
            return "the certificate of the broker at \(serverList) does not hold: check SLIPWAY_BUS_KAFKA_CA, and "
                + "whether the certificate is for the host that SLIPWAY_BUS_URL names (\(failure))"
        }
        if failure.isAboutClientCertificate {
            let what = tls.certificate == nil ? "asks for a client certificate: set" : "refused the certificate: check"
            return "the broker at \(serverList) \(what) SLIPWAY_BUS_KAFKA_CERTIFICATE and SLIPWAY_BUS_KAFKA_KEY "
                + "(\(failure))"
        }
        return "TLS does not fit at \(serverList): check SLIPWAY_BUS_KAFKA_TLS and the port, then "
            + "SLIPWAY_BUS_KAFKA_CA, SLIPWAY_BUS_KAFKA_CERTIFICATE and SLIPWAY_BUS_KAFKA_KEY (\(failure))"
    }

    /// Brokers do not say why they refuse.
    private func suspicion(of mechanism: SASL.Mechanism, _ version: Int32) -> String {
        guard mechanism != .plain, version < Self.scramVersion else { return "" }
        let shown = "\(version >> 24).\(version >> 16 & 0xFF).\(version >> 8 & 0xFF)"
        return "; for SCRAM with Kafka 4 or newer librdkafka has to be 2.6.1 or newer, and here it is \(shown)"
    }
}
