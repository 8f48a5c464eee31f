// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials

/// The catalogue as an AsyncAPI 3.0 document, for people's tools and code generators.
public enum AsyncAPI {
    /// The document in JSON: indented, keys sorted, with a line end.
    public static func document() throws -> Data {
        try CataloguePrinter.pretty(
            [
                "asyncapi": "3.0.0",
                "info": info,
                "defaultContentType": "application/json",
                "servers": servers,
                "channels": .object(
                    try Dictionary(Topic.all.map { (id($0.name), try channel($0)) }) { first, _ in first }),
                "operations": operations,
                "components": [
                    "messages": .object(
                        try Dictionary(Catalogue.all.map { (id($0.type), try message($0)) }) { first, _ in first }),
                    "schemas": ["headers": headers],
                    "securitySchemes": [
                        "plain": ["type": "plain"], "scramSha256": ["type": "scramSha256"],
                        "scramSha512": ["type": "scramSha512"], "clientCertificate": ["type": "X509"],
                    ],
                ],
            ])
    }

    private static let info: JSONValue = [
        "title": "Slipway events",
        "version": "1",
        "description": """
        Everything that travels between the services of Slipway, and what consumers outside may rely on: messages with \
        `x-audience: public` keep working for those who read them by the rules in docs/events.md. Each message is a \
        CloudEvent 1.0 in the binary mode of the Kafka protocol binding.
        """,
        "license": ["name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"],
    ]

    private static let servers: JSONValue = [
        "kafka": [
            "host": "{broker}", "protocol": "kafka",
            "description": "The cluster that SLIPWAY_BUS_URL names, inside a trusted network.",
            "variables": ["broker": broker],
        ],
        "kafka-tls": [
            "host": "{broker}", "protocol": "kafka-secure",
            "description": "The same over TLS, with the credentials that the cluster asks for.",
            "variables": ["broker": broker],
            "security": .array(
                ["plain", "scramSha256", "scramSha512", "clientCertificate"].map {
                    reference("components/securitySchemes/\($0)")
                }),
        ],
    ]

    private static let broker: JSONValue = [
        "default": "localhost:9092", "description": "Host and port of a broker to begin with.",
    ]

    private static func channel(_ topic: Topic) throws -> JSONValue {
        let entries = Catalogue.all.filter { $0.topic == topic }
        var configuration: [String: JSONValue] = ["cleanup.policy": topic.kind == .state ? ["compact"] : ["delete"]]
        let milliseconds = JSONValue.integer(topic.retention.components.seconds * 1000)
        configuration[topic.kind == .state ? "delete.retention.ms" : "retention.ms"] = milliseconds
        return [
            "address": .string("{cloudspace}.\(topic.name)"),
            "title": .string(topic.name),
            "description": .string(topic.kind.summary),
            "parameters": [
                "cloudspace": [
                    "description": "Name of the cloudspace: one installation in one region.", "default": "local",
                ]
            ],
            "messages": .object(
                Dictionary(entries.map { (id($0.type), reference("components/messages/\(id($0.type))")) }) { first, _ in
                    first
                }
            ),
            "bindings": [
                "kafka": [
                    "partitions": .integer(Int64(topic.partitions)), "topicConfiguration": .object(configuration),
                    "bindingVersion": "0.5.0",
                ]
            ],
            "x-kind": .string(topic.kind.rawValue),
        ]
    }

    private static func message(_ entry: Catalogue.Entry) throws -> JSONValue {
        let example = try entry.example()
        var message: [String: JSONValue] = [
            "name": .string(entry.type), "title": .string(entry.type), "summary": .string(entry.summary),
            "contentType": "application/json",
            "headers": reference("components/schemas/headers"),
            "payload": entry.schema.json(),
            "examples": [
                [
                    "name": .string(entry.type),
                    "headers": .object(example.headers.dictionary.mapValues { .string($0) }),
                    "payload": try JSONDecoder().decode(JSONValue.self, from: example.value ?? Data()),
                ]
            ],
            "bindings": [
                "kafka": [
                    "key": ["type": "string", "description": .string(entry.keyInWords)], "bindingVersion": "0.5.0",
                ]
            ],
            "tags": [["name": .string(entry.audience.rawValue)]],
            "x-audience": .string(entry.audience.rawValue), "x-key": .string(entry.key),
            "x-version": .integer(Int64(entry.version)),
        ]
        message["x-partition-key"] = entry.partitionKey.map { .string($0) }
        return .object(message)
    }

    static let headers: JSONValue = [
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"],
        "properties": [
            "ce_specversion": ["type": "string", "enum": ["1.0"], "description": "Version of CloudEvents."],
            "ce_id": [
                "type": "string", "minLength": 1,
                "description": "The event's id: a record with an id that was handled before is to be passed over.",
            ],
            "ce_source": [
                "type": "string", "format": "uri-reference", "minLength": 1,
                "description": "The service that wrote it.",
            ],
            "ce_type": ["type": "string", "minLength": 1, "description": "The versioned type."],
            "ce_time": ["type": "string", "format": "date-time", "description": "When it happened."],
            "ce_subject": ["type": "string", "description": "The key."],
            "content-type": [
                "type": "string", "description": "`application/json`; a tombstone has none.",
            ],
            "traceparent": [
                "type": "string", "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
                "description": "W3C Trace Context of what caused it.",
            ],
        ],
    ]

    /// One operation for each service and each topic that it writes or reads.
    private static var operations: JSONValue {
        var operations: [String: JSONValue] = [:]
        for service in Catalogue.Service.allCases {
            for (action, services) in [("send", \Catalogue.Entry.writers), ("receive", \.readers)] {
                let entries = Catalogue.all.filter { $0[keyPath: services].contains(service) }
                for topic in Topic.all {
                    let types = entries.filter { $0.topic == topic }.map { id($0.type) }
                    if types.isEmpty { continue }
                    operations["\(service.executable)_\(action)_\(id(topic.name))"] = [
                        "action": .string(action),
                        "channel": reference("channels/\(id(topic.name))"),
                        "summary": .string(
                            "\(service.executable) \(action == "send" ? "writes" : "reads") \(topic.name)."),
                        "messages": .array(types.map { reference("channels/\(id(topic.name))/messages/\($0)") }),
                        "tags": [["name": .string(service.executable)]],
                    ]
                }
            }
        }
        return .object(operations)
    }

    /// As a key of the document, where some tools take letters, digits, hyphens and underscores only.
    private static func id(_ name: String) -> String { String(name.map { $0 == "." ? "_" : $0 }) }

    private static func reference(_ path: String) -> JSONValue { ["$ref": .string("#/\(path)")] }
}

extension Topic.Kind {
    var summary: String {
        switch self {
        case .event: "Facts in the past tense, each kept for the retention."
        case .state: "The latest value of each key; a record without value (tombstone) removes the key."
        }
    }
}

extension Catalogue.Entry {
    var keyInWords: String {
        var words = "The payload's \(key)"
        if let partitionKey { words += "; the partition is chosen by \(partitionKey)" }
        return words + "."
    }
}

enum CataloguePrinter {
    /// Indented JSON with sorted keys and a line end.
    static func pretty(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        return try encoder.encode(value) + Data("\n".utf8)
    }
}
