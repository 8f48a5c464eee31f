// SPDX-License-Identifier: Apache-2.0
import Domain

struct BusTopic: Decodable, Sendable {
    struct Partition: Decodable, Sendable {
        var partition: Int
        var oldest: Int64
        var next: Int64
    }

    var name: String
    var kind: String?
    var retentionSeconds: Int?
    var partitionCount: Int?
    var partitions: [Partition]
}

struct BusLag: Decodable, Sendable {
    var group: String
    var topic: String
    var partition: Int
    var committed: Int64?
    var lag: Int64
}

/// A record as the tail shows it.
struct TailRecord: Decodable, Sendable {
    var topic: String
    var partition: Int
    var offset: Int64
    var key: String
    var type: String?
    var headers: [String: String]?
    var value: String?
    var valueBytes: Int?
}

struct DeadLetter: Decodable, Sendable {
    var id: String
    var consumer: String
    var topic: String
    var partition: Int
    var offset: Int64
    var recordKey: String?
    var eventId: String?
    var type: String?
    var cause: String
    var status: String
    var canReplay: Bool?
    var parkedAt: Timestamp?
    var decidedAt: Timestamp?
    var decidedBy: String?
    /// There when one letter is asked for.
    var headers: [String: String]?
    var value: String?
    var valueOmitted: Bool?
}

/// What is read of a CloudEvent to show it on a line.
struct FeedEvent: Decodable, Sendable {
    var type: String
    var time: String?
    var subject: String?
}

/// A decision takes no words.
struct NoBody: Encodable {}

extension RequestPath {
    static let bus = RequestPath("v1", "bus")
    static let deadLetters = bus.appending("dead-letters")
}
