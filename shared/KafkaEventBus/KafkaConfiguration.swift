// SPDX-License-Identifier: Apache-2.0

/// How to reach a cluster that speaks the Kafka protocol. Its descriptions hold no secret.
public struct KafkaConfiguration: Sendable {
    public struct TLS: Sendable, Hashable {
        /// PEM files: the authorities that vouch for brokers (`nil`: those of the system), and this client's own
        /// certificate and key where brokers ask for one.
        public var authorities: String?
        public var certificate: String?
        public var key: String?

        public init(authorities: String? = nil, certificate: String? = nil, key: String? = nil) {
            self.authorities = authorities
            self.certificate = certificate
            self.key = key
        }
    }

    public struct SASL: Sendable, Hashable {
        public enum Mechanism: String, Sendable, Hashable, CaseIterable {
            case plain = "PLAIN"
            case scramSHA256 = "SCRAM-SHA-256"
            case scramSHA512 = "SCRAM-SHA-512"
        }

        public var mechanism: Mechanism
        public var username: String
        public var password: String

        public init(mechanism: Mechanism, username: String, password: String) {
            self.mechanism = mechanism
            self.username = username
            self.password = password
        }
    }

    /// `host:port` of one or more brokers; the others are learned from them.
    public var servers: [String]
    /// `nil` connects without TLS.
    public var tls: TLS?
    /// `nil` connects without credentials.
    public var sasl: SASL?
    /// Copies of each partition of a topic that has to be created.
    public var replicationFactor: Int
    /// What brokers call this client in their logs and quotas.
    public var clientName: String
    /// Static membership (KIP-345): a name that no other process has in its groups. A process that comes back under it
    /// within the session time-out gets its partitions at once, and the others notice nothing.
    public var memberName: String?
    /// More settings of librdkafka, by its names. They come last and so win.
    public var furtherSettings: [String: String]

    public init(
        servers: [String], tls: TLS? = nil, sasl: SASL? = nil, replicationFactor: Int = 1,
        clientName: String = "slipway", memberName: String? = nil, furtherSettings: [String: String] = [:]
    ) {
        self.servers = servers
        self.tls = tls
        self.sasl = sasl
        self.replicationFactor = replicationFactor
        self.clientName = clientName
        self.memberName = memberName
        self.furtherSettings = furtherSettings
    }
}

extension KafkaConfiguration {
    var serverList: String { servers.joined(separator: ",") }

    /// What every client is given. A later setting replaces an earlier one.
    private var commonSettings: [(String, String)] {
        var settings = [
            ("bootstrap.servers", serverList),
            ("client.id", clientName),
            ("log.queue", "true"),
            ("log.connection.close", "false"),
            ("socket.nagle.disable", "true"),
            ("socket.keepalive.enable", "true"),
            ("socket.timeout.ms", "\(KafkaLimits.requestTimeout.milliseconds)"),
            ("socket.connection.setup.timeout.ms", "\(KafkaLimits.connectTimeout.milliseconds)"),
            ("reconnect.backoff.ms", "\(KafkaLimits.reconnectBackOffMin.milliseconds)"),
            ("reconnect.backoff.max.ms", "\(KafkaLimits.reconnectBackOffMax.milliseconds)"),
        ]
        let protocolName =
            switch (tls != nil, sasl != nil) {
            case (false, false): "plaintext"
            case (true, false): "ssl"
            case (false, true): "sasl_plaintext"
            case (true, true): "sasl_ssl"
            }
        settings.append(("security.protocol", protocolName))
        if let path = tls?.authorities { settings.append(("ssl.ca.location", path)) }
        if let path = tls?.certificate { settings.append(("ssl.certificate.location", path)) }
        if let path = tls?.key { settings.append(("ssl.key.location", path)) }
        if let sasl {
            settings.append(("sasl.mechanism", sasl.mechanism.rawValue))
            settings.append(("sasl.username", sasl.username))
            settings.append(("sasl.password", sasl.password))
        }
        return settings
    }

    private var lastSettings: [(String, String)] { furtherSettings.map { ($0.key, $0.value) } }

    /// For questions about topics and groups. These clients do not live long enough for brokers to hang up on them for
    /// being idle: when it happens, the guess of librdkafka as to why is worth having.
    var adminSettings: [(String, String)] { commonSettings + [("log.connection.close", "true")] + lastSettings }

    /// - Parameter batchBytesMax: the largest batch that topics take.
    func producerSettings(batchBytesMax: Int) -> [(String, String)] {
        commonSettings + [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            // Giving up on one record and not on the next would reorder their key.
            ("message.timeout.ms", "0"),
            ("linger.ms", "\(KafkaLimits.linger.milliseconds)"),
            ("queue.buffering.max.messages", "\(KafkaLimits.inFlightRecords)"),
            ("queue.buffering.max.kbytes", "\(KafkaLimits.inFlightKilobytes)"),
            ("message.max.bytes", "\(batchBytesMax)"),
        ] + lastSettings
    }

    /// - Parameter joins: whether the reader is a member of `group`; otherwise it only needs the name.
    func consumerSettings(group: String, joins: Bool) -> [(String, String)] {
        commonSettings + [
            ("group.id", group),
            ("enable.auto.offset.store", "false"),
            ("enable.auto.commit", joins ? "true" : "false"),
            ("auto.commit.interval.ms", "\(KafkaLimits.commitInterval.milliseconds)"),
            ("auto.offset.reset", "earliest"),
            ("enable.partition.eof", joins ? "false" : "true"),
            // Eager: the cooperative protocol can crash or hang at close before librdkafka 2.6.1.
            ("partition.assignment.strategy", "roundrobin,range"),
            ("session.timeout.ms", "\(KafkaLimits.sessionTimeout.milliseconds)"),
            ("heartbeat.interval.ms", "\(KafkaLimits.heartbeat.milliseconds)"),
            ("max.poll.interval.ms", "\(KafkaLimits.pollInterval.milliseconds)"),
            ("fetch.wait.max.ms", "\(KafkaLimits.fetchWait.milliseconds)"),
            ("fetch.error.backoff.ms", "\(KafkaLimits.fetchErrorBackOff.milliseconds)"),
            ("fetch.message.max.bytes", "\(KafkaLimits.fetchPartitionBytes)"),
            ("fetch.max.bytes", "\(KafkaLimits.fetchBytes)"),
            ("receive.message.max.bytes", "\(KafkaLimits.answerBytesMax)"),
            ("queued.min.messages", "\(KafkaLimits.queuedRecords)"),
            ("queued.max.messages.kbytes", "\(KafkaLimits.queuedKilobytes)"),
        ] + (joins ? memberName.map { [("group.instance.id", $0)] } ?? [] : []) + lastSettings
    }
}

extension KafkaConfiguration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String {
        var parts = ["kafka at \(serverList)"]
        if tls != nil { parts.append("TLS") }
        if let sasl { parts.append("\(sasl)") }
        return parts.joined(separator: ", ")
    }

    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}

extension KafkaConfiguration.SASL: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "user \(username) by \(mechanism.rawValue)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
