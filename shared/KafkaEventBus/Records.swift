// SPDX-License-Identifier: Apache-2.0
import CRdKafka
import EventBus
import Events
import FoundationEssentials
import Glibc

/// Copies a record out of librdkafka. Whatever is not text comes as close to it as UTF-8 allows: what to make of a
/// record that others wrote is the handler's business.
///
/// - Parameter topic: its name without the prefix.
func incomingRecord(_ message: UnsafePointer<rd_kafka_message_t>, topic: String) -> IncomingRecord {
    let content = message.pointee
    let value = content.payload.map { Data(bytes: $0, count: content.len) }
    let record = Record(
        topic: topic, key: text(content.key, content.key_len), headers: headers(of: message), value: value)
    return IncomingRecord(record: record, partition: Int(content.partition), offset: content.offset)
}

private func headers(of message: UnsafePointer<rd_kafka_message_t>) -> RecordHeaders {
    var list: OpaquePointer?
    guard rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list else { return [:] }
    var size = 0
    forEachHeader(of: list) { size += RecordHeaders.packedSize(name: $0.count, value: $1.count) }
    return RecordHeaders(packedSize: size) { writer in
        forEachHeader(of: list) { writer.append(name: $0, value: $1) }
    }
}

private func forEachHeader(of list: OpaquePointer, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void) {
    var name: UnsafePointer<CChar>?
    var value: UnsafeRawPointer?
    var size = 0
    var index = 0
    while rd_kafka_header_get_all(list, index, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR, let name {
        body(
            UnsafeRawBufferPointer(start: name, count: strlen(name)), UnsafeRawBufferPointer(start: value, count: size))
        index += 1
    }
}

private func text(_ bytes: UnsafeRawPointer?, _ count: Int) -> String {
    guard let bytes else { return "" }
    return String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
}
