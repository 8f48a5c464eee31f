// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Events

extension Cluster {
    /// Creates the topics that are missing and checks those that are there.
    ///
    /// - Throws: `SetupError`.
    func prepare() async throws {
        let catalogue = topics.values.sorted { $0.name < $1.name }
        try await withAdmin { admin in
            var counts = try admin.partitionCounts(of: catalogue.map { stored($0.name) })
            let missing = catalogue.filter { counts[stored($0.name)] == nil }
            if !missing.isEmpty {
                try admin.create(missing)
                counts = try admin.awaitTopics(catalogue)
            }
            for topic in catalogue {
                let count = counts[stored(topic.name)] ?? 0
                guard count >= topic.partitions else { throw tooFewPartitions(topic, count) }
            }
            // What was just created is as it should be.
            let missingNames = Set(missing.map(\.name))
            try admin.checkSettings(of: catalogue.filter { !missingNames.contains($0.name) })
        }
    }

    private func tooFewPartitions(_ topic: Topic, _ count: Int) -> SetupError {
        let name = stored(topic.name)
        return SetupError(
            "the topic \(name) has \(count) partition\(count == 1 ? "" : "s"), \(topic.partitions) are configured. "
                + "Fix: kafka-topics.sh --alter --topic \(name) --partitions \(topic.partitions), or delete the topic "
                + "to have it created anew", isLasting: true)
    }

    /// What the topic's settings have to be, by Kafka's names.
    func topicSettings(_ topic: Topic) -> [(name: String, value: String)] {
        let retention = "\(topic.retention.components.seconds * 1000)"
        let size = ("max.message.bytes", "\(batchBytesMax)")
        return switch topic.kind {
        case .event: [("cleanup.policy", "delete"), ("retention.ms", retention), size]
        case .state: [("cleanup.policy", "compact"), ("delete.retention.ms", retention), size]
        }
    }
}

extension AdminSession {
    fileprivate func create(_ topics: [Topic]) throws {
        var requests: [OpaquePointer?] = []
        defer { for case let request? in requests { rd_kafka_NewTopic_destroy(request) } }
        for topic in topics {
            let (request, text) = withErrorText {
                rd_kafka_NewTopic_new(
                    cluster.stored(topic.name), Int32(topic.partitions),
                    Int32(cluster.configuration.replicationFactor), $0, $1)
            }
            guard let request else {
                throw SetupError("the topic \(cluster.stored(topic.name)) cannot be created: \(text)", isLasting: true)
            }
            for setting in cluster.topicSettings(topic) {
                rd_kafka_NewTopic_set_config(request, setting.name, setting.value)
            }
            requests.append(request)
        }
        let answered: Void? = try request(
            "topics cannot be created", RD_KAFKA_ADMIN_OP_CREATETOPICS,
            { options, queue in
                rd_kafka_CreateTopics(client, &requests, requests.count, options, queue)
            },
            { event in
                var count = 0
                let results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count)
                for case let result? in UnsafeBufferPointer(start: results, count: count) { try check(result) }
            })
        if answered == nil {
            let names = topics.map { cluster.stored($0.name) }.joined(separator: ", ")
            throw SetupError("the broker cannot create topics, and these are missing: \(names)", isLasting: true)
        }
    }

    private func check(_ result: OpaquePointer) throws {
        let code = rd_kafka_topic_result_error(result)
        let name = String(cString: rd_kafka_topic_result_name(result))
        let reason = rd_kafka_topic_result_error_string(result).map { String(cString: $0) }
        switch code {
        // Another service was faster.
        case RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS: return
        case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
            throw SetupError(
                "the topic \(name) cannot be created with \(cluster.configuration.replicationFactor) copies: set "
                    + "SLIPWAY_BUS_KAFKA_REPLICATION to at most the number of brokers "
                    + "(\(KafkaFailure(code, reason)))", isLasting: true)
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
            throw SetupError(
                "the broker does not let this user create the topic \(name): grant it CREATE, or create the topic",
                isLasting: true)
        default: throw SetupError("the topic \(name) cannot be created: \(KafkaFailure(code, reason))")
        }
    }

    /// Brokers learn of a new topic one after another.
    fileprivate func awaitTopics(_ topics: [Topic]) throws -> [String: Int] {
        let names = topics.map { cluster.stored($0.name) }
        let deadline = monotonicNanoseconds() + KafkaLimits.creationTimeout.nanoseconds
        while true {
            let counts = try partitionCounts(of: names)
            if counts.count == names.count { return counts }
            if monotonicNanoseconds() >= deadline {
                let late = names.filter { counts[$0] == nil }.joined(separator: ", ")
                throw SetupError("topics were created and do not appear: \(late)")
            }
            try pause()
        }
    }

    fileprivate func checkSettings(of topics: [Topic]) throws {
        guard !topics.isEmpty else { return }
        var resources: [OpaquePointer?] = topics.map {
            rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, cluster.stored($0.name))
        }
        defer { for case let resource? in resources { rd_kafka_ConfigResource_destroy(resource) } }
        let byName = Dictionary(uniqueKeysWithValues: topics.map { (cluster.stored($0.name), $0) })
        let problems: [String]? = try request(
            "the settings of topics cannot be read", RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
            optional: KafkaLimits.settingsTimeout,
            { options, queue in
                rd_kafka_DescribeConfigs(client, &resources, resources.count, options, queue)
            },
            { event in
                var count = 0
                let results = rd_kafka_DescribeConfigs_result_resources(
                    rd_kafka_event_DescribeConfigs_result(event), &count)
                return UnsafeBufferPointer(start: results, count: count).compactMap { result in
                    // Reading settings takes a permission of its own, which the bus does without.
                    guard let result, let topic = byName[String(cString: rd_kafka_ConfigResource_name(result))],
                        rd_kafka_ConfigResource_error(result) == RD_KAFKA_RESP_ERR_NO_ERROR
                    else { return nil }
                    return problem(of: topic, settings: settings(of: result))
                }
            })
        guard let problems else {
            return cluster.logger.notice("the broker does not tell the settings of topics: not checked")
        }
        if !problems.isEmpty { throw SetupError(problems.sorted().joined(separator: "; "), isLasting: true) }
    }

    private func settings(of resource: OpaquePointer) -> [String: String] {
        var count = 0
        let entries = rd_kafka_ConfigResource_configs(resource, &count)
        var settings: [String: String] = [:]
        for case let entry? in UnsafeBufferPointer(start: entries, count: count) {
            guard let value = rd_kafka_ConfigEntry_value(entry) else { continue }
            settings[String(cString: rd_kafka_ConfigEntry_name(entry))] = String(cString: value)
        }
        return settings
    }

    private func problem(of topic: Topic, settings: [String: String]) -> String? {
        var problems: [String] = []
        var fixes: [String] = []
        let wanted = Dictionary(uniqueKeysWithValues: cluster.topicSettings(topic).map { ($0.name, $0.value) })
        if let found = settings["cleanup.policy"], let policy = wanted["cleanup.policy"], found != policy {
            problems.append("has cleanup.policy \(found), \(topic.kind.rawValue) topics need \(policy)")
            fixes.append("cleanup.policy=\(policy)")
        }
        if let found = settings["max.message.bytes"].flatMap(Int.init), found < cluster.batchBytesMax {
            problems.append("takes \(found) bytes at a time, \(cluster.batchBytesMax) are needed")
            fixes.append("max.message.bytes=\(cluster.batchBytesMax)")
        }
        let name = cluster.stored(topic.name)
        func command(_ fixes: [String]) -> String {
            "kafka-configs.sh --alter --entity-type topics --entity-name \(name) --add-config "
                + fixes.joined(separator: ",")
        }
        // How long records are kept is their operator's to decide: less loses what a consumer was away for.
        if let found = settings["retention.ms"], let retention = wanted["retention.ms"], found != retention {
            cluster.logger.notice(
                "a topic keeps its records for another time than the catalogue says",
                metadata: [
                    "topic": "\(name)", "retention.ms": "\(found)", "catalogue": "\(retention)",
                    "change": "\(command(["retention.ms=\(retention)"]))",
                ])
        }
        guard !problems.isEmpty else { return nil }
        return "the topic \(name) \(problems.joined(separator: ", and ")). Fix: \(command(fixes))"
    }
}
