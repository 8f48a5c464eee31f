// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import Events
import Foundation

/// Brokers inside this process: real sockets, and faults at will.
final class MockCluster: @unchecked Sendable {
    // Unchecked: librdkafka's mock cluster has a thread of its own and takes orders from any.
    private let host: OpaquePointer
    private let cluster: OpaquePointer
    let server: String

    struct Trouble: Error {}

    /// `ApiKey` of the Kafka protocol.
    enum Request: Int16 { case produce = 0, fetch = 1, heartbeat = 12 }

    /// - Parameter topics: names as the cluster has them, to numbers of partitions. Others are made with four when
    ///   somebody asks for them.
    init(brokers: Int32 = 1, topics: [String: Int] = [:]) throws {
        let configuration = rd_kafka_conf_new()
        // It has much to say of clients that break off.
        rd_kafka_conf_set(configuration, "log_level", "0", nil, 0)
        guard let host = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, nil, 0) else { throw Trouble() }
        guard let cluster = rd_kafka_mock_cluster_new(host, brokers),
            let server = rd_kafka_mock_cluster_bootstraps(cluster)
        else {
            rd_kafka_destroy(host)
            throw Trouble()
        }
        self.host = host
        self.cluster = cluster
        self.server = String(cString: server)
        for (name, partitions) in topics { rd_kafka_mock_topic_create(cluster, name, Int32(partitions), 1) }
    }

    deinit {
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(host)
    }

    func setDown() { rd_kafka_mock_broker_set_down(cluster, -1) }
    func setUp() { rd_kafka_mock_broker_set_up(cluster, -1) }
    func setDelay(milliseconds: Int32) { rd_kafka_mock_broker_set_rtt(cluster, -1, milliseconds) }

    /// The next requests of this kind fail, one with each code; `_TRANSPORT` disconnects.
    func fail(_ request: Request, _ codes: [rd_kafka_resp_err_t]) {
        rd_kafka_mock_push_request_errors_array(cluster, request.rawValue, codes.count, codes)
    }
}

/// A record as it lies in the cluster.
struct StoredRecord: Hashable {
    let partition: Int32
    let offset: Int64
    let key: String
    let value: String
}

/// What `topic` (as the cluster has it) holds, read by a client of its own.
func contents(of topic: String, partitions: Int32 = 4, on cluster: MockCluster) throws -> [StoredRecord] {
    let settings = ["bootstrap.servers": cluster.server, "group.id": "reader", "enable.partition.eof": "true"]
    return try withClient(RD_KAFKA_CONSUMER, settings) { client in
        let list = rd_kafka_topic_partition_list_new(partitions)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for partition in 0..<partitions {
            rd_kafka_topic_partition_list_add(list, topic, partition).pointee.offset = Int64(RD_KAFKA_OFFSET_BEGINNING)
        }
        rd_kafka_assign(client, list)
        var records: [StoredRecord] = []
        var open = Set(0..<partitions)
        let deadline = Date().addingTimeInterval(30)
        while !open.isEmpty {
            guard Date() < deadline else { throw MockCluster.Trouble() }
            guard let message = rd_kafka_consumer_poll(client, 100) else { continue }
            defer { rd_kafka_message_destroy(message) }
            let content = message.pointee
            if content.err == RD_KAFKA_RESP_ERR__PARTITION_EOF { open.remove(content.partition) }
            guard content.err == RD_KAFKA_RESP_ERR_NO_ERROR else { continue }
            func text(_ bytes: UnsafeMutableRawPointer?, _ count: Int) -> String {
                String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
            }
            records.append(
                StoredRecord(
                    partition: content.partition, offset: content.offset, key: text(content.key, content.key_len),
                    value: text(content.payload, content.len)))
        }
        rd_kafka_consumer_close(client)
        return records
    }
}

/// Writes what no client of ours would: no key, and a header that is not text.
func writeForeignRecord(to topic: String, on cluster: MockCluster) throws {
    try withClient(RD_KAFKA_PRODUCER, ["bootstrap.servers": cluster.server]) { client in
        let handle = rd_kafka_topic_new(client, topic, nil)
        defer { rd_kafka_topic_destroy(handle) }
        let headers = rd_kafka_headers_new(2)
        let bytes: [UInt8] = [0xff, 0xfe, 0x41]
        rd_kafka_header_add(headers, "raw", -1, bytes, bytes.count)
        rd_kafka_header_add(headers, "none", -1, nil, 0)
        crdkafka_produce(client, handle, 0, nil, 0, bytes, bytes.count, headers, 0)
        guard rd_kafka_flush(client, 10_000) == RD_KAFKA_RESP_ERR_NO_ERROR else { throw MockCluster.Trouble() }
    }
}

/// Writes `values` to one partition of `topic` (as the cluster has it), in their order and with no key.
func write(_ values: [String], to topic: String, partition: Int32 = 0, on cluster: MockCluster) throws {
    try withClient(RD_KAFKA_PRODUCER, ["bootstrap.servers": cluster.server, "linger.ms": "5"]) { client in
        let handle = rd_kafka_topic_new(client, topic, nil)
        defer { rd_kafka_topic_destroy(handle) }
        for value in values {
            let code = value.utf8.withContiguousStorageIfAvailable { bytes in
                crdkafka_produce(client, handle, partition, nil, 0, bytes.baseAddress, bytes.count, nil, 0)
            }
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw MockCluster.Trouble() }
        }
        guard rd_kafka_flush(client, 10_000) == RD_KAFKA_RESP_ERR_NO_ERROR else { throw MockCluster.Trouble() }
    }
}

private func withClient<Result>(
    _ type: rd_kafka_type_t, _ settings: [String: String], _ body: (OpaquePointer) throws -> Result
) throws -> Result {
    let configuration = rd_kafka_conf_new()
    for (name, value) in settings { rd_kafka_conf_set(configuration, name, value, nil, 0) }
    guard let client = rd_kafka_new(type, configuration, nil, 0) else { throw MockCluster.Trouble() }
    defer { rd_kafka_destroy(client) }
    if type == RD_KAFKA_CONSUMER { rd_kafka_poll_set_consumer(client) }
    return try body(client)
}
