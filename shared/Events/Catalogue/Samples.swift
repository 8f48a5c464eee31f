// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials

/// A record as a file: what travels, byte for byte, and what a consumer of today must be able to read for ever.
public struct GoldenSample: Codable, Sendable, Hashable {
    public var topic: String
    public var key: String
    public var partitionKey: String?
    public var headers: [String: String]
    /// The bytes of the value, which are UTF-8.
    public var value: String

    public init(_ record: Record) {
        topic = record.topic
        key = record.key
        partitionKey = record.partitionKey
        headers = record.headers.dictionary
        value = String(decoding: record.value ?? Data(), as: UTF8.self)
    }

    public var record: Record {
        Record(
            topic: topic, key: key, partitionKey: partitionKey, headers: RecordHeaders(headers), value: Data(value.utf8)
        )
    }
}

/// What a consumer relies on of one type: compared with every later state of the catalogue.
public struct ReleasedType: Codable, Sendable, Hashable {
    public var type: String
    public var topic: String
    public var kind: String
    public var partitions: Int
    public var retentionSeconds: Int64
    public var key: String
    public var partitionKey: String?
    public var audience: String
    /// Without descriptions: they may change.
    public var schema: JSONValue

    public init(_ entry: Catalogue.Entry) {
        type = entry.type
        topic = entry.topic.name
        kind = entry.topic.kind.rawValue
        partitions = entry.topic.partitions
        retentionSeconds = entry.topic.retention.components.seconds
        key = entry.key
        partitionKey = entry.partitionKey
        audience = entry.audience.rawValue
        schema = entry.schema.json(isDescribed: false)
    }
}

extension Catalogue {
    /// The files that are missing beside `files`, by name. Nothing is ever to be overwritten: what differs from the
    /// newest file of its type gets the next number (`build.failed.v1.json`, `build.failed.v1.2.json`, …).
    ///
    /// - Parameters:
    ///   - files: every file of the folder with its content.
    ///   - content: what belongs into the newest file of a type.
    public static func missingFiles(
        beside files: [String: Data], suffix: String, content: (Entry) throws -> Data
    ) rethrows -> [String: Data] {
        var missing: [String: Data] = [:]
        for entry in all {
            let wanted = try content(entry)
            let names = numbered(entry.type, suffix: suffix)
            let newest = names.prefix { files[$0] != nil }.last
            if newest.flatMap({ files[$0] }) == wanted { continue }
            if let next = names.first(where: { files[$0] == nil }) { missing[next] = wanted }
        }
        return missing
    }

    /// The names of the files of a type, oldest first.
    static func numbered(_ type: String, suffix: String) -> [String] {
        ["\(type)\(suffix)"] + (2...versionsOfAFileMax).map { "\(type).\($0)\(suffix)" }
    }

    /// A type that changed this often is due for a new version.
    static let versionsOfAFileMax = 99

    public static let goldenSuffix = ".json"
    public static let releasedSuffix = ".schema.json"

    public static func goldenFile(_ entry: Entry) throws -> Data {
        try CataloguePrinter.pretty(GoldenSample(entry.example()))
    }

    public static func releasedFile(_ entry: Entry) throws -> Data { try CataloguePrinter.pretty(ReleasedType(entry)) }
}
