// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials

/// The catalogue as a page for people: docs/events.md.
public enum EventsPage {
    /// The page in Markdown, with a line end.
    public static func markdown() throws -> String {
        var text = head + "\n## Topics\n\n" + topicTable
        for topic in Topic.all {
            text += "\n## `\(topic.name)`\n\n\(topic.kind.summary)\n"
            for entry in Catalogue.all where entry.topic == topic { text += try section(entry) }
        }
        return text
    }

    private static let head = """
        # Events

        <!-- Made from shared/Events/Catalogue by `make docs`; do not edit. -->

        What travels between Slipway's services and to consumers outside. The same in a form for tools:
        [asyncapi.json](asyncapi.json) (AsyncAPI 3.0), which the panel serves at `/asyncapi.json`. Types that \
        are *public*
        are there for consumers outside (billing, telemetry); internal ones may be looked at and not relied on.

        ## Envelope

        Every record is a CloudEvent 1.0 in the binary mode of the Kafka protocol binding: attributes in \
        headers, JSON in
        the value, UTF-8 throughout.

        | Header | |
        |---|---|
        | `ce_specversion` | `1.0` |
        | `ce_id` | the event's id; the same event may arrive twice under it |
        | `ce_type` | the versioned type, such as `build.succeeded.v1` |
        | `ce_source` | the service that wrote it, such as `/slipway/controller` |
        | `ce_time` | when it happened: RFC 3339 in UTC, six digits of a second |
        | `ce_subject` | the key |
        | `content-type` | `application/json` |
        | `traceparent` | W3C Trace Context of the request or event that caused it; may be absent |

        Further `ce_` headers are extensions: they are kept and not looked at. What Slipway's services refuse, \
        by name, and
        park as a dead letter: a required header that is missing or empty, a version other than `1.0`, a source \
        that is no
        URI reference, a time that is not RFC 3339 or absent (CloudEvents leaves it to the producer, Slipway \
        always writes
        it), data that is not JSON, and structured mode (a `content-type` that begins with `application/cloudevents`).
        One record has at most \(Limits.eventBytesMax >> 10) KiB, key and headers included.

        A record without a value on a state topic is a tombstone: the key is gone.

        ## Reading

        With any Kafka client: topics are named `<cloudspace>.<topic>`, such as `local.deployments`. Use a \
        consumer group of
        your own (not `<cloudspace>.` and a service's name) and begin with the oldest record.

        - **At least once.** Remember `ce_id` with the effect, in one transaction, and pass over what is known.
        - **Order holds per key**, since records of one key share a partition.
        - **Pass over types you do not know**, and properties you do not know. More of both will come.
        - **State topics** are compacted: read from the beginning to have the latest value of each key.

        Without a Kafka client: `GET /v1/organisations/{name}/events` of the panel gives the public events of \
        an organisation
        as server-sent events, each as a CloudEvent in structured JSON mode, and goes on after the id in \
        `Last-Event-ID`.

        ## Partitions

        The partition of a record is the 32-bit FNV-1a hash of its partition key (the key, where no other is \
        named below) in
        UTF-8, modulo the number of partitions:

        ```python
        def partition(key: str, partitions: int) -> int:
            hash = 2166136261
            for byte in key.encode():
                hash = (hash ^ byte) * 16777619 % 2**32
            return hash % partitions
        ```

        ## What may change

        Within a version (`….v1`):

        - Properties may be added, and optional ones may become required. None is removed, changes its meaning \
        or type, or
          becomes optional.
        - An *open* set of texts may grow: accept any text. A *closed* one has exactly the values listed; so \
        has a choice of
          members (*one of*).
        - A type keeps its topic and key, and a topic its number of partitions: with another, keys would move \
        to other
          partitions, away from their earlier events and values. Retention is never reduced.

        Anything else is a new type (`….v2`) beside the old one. A test compares the catalogue with every \
        released schema in
        `Tests/EventsTests/Released` and reads every sample in `Tests/EventsTests/Golden`.

        """

    private static var topicTable: String {
        var text = "| Topic | Kind | Partitions | Kept | Types |\n|---|---|---|---|---|\n"
        for topic in Topic.all {
            let types = Catalogue.all.filter { $0.topic == topic }.map { "`\($0.type)`" }
            let days = topic.retention.components.seconds / 86_400
            let kept = topic.kind == .event ? "\(days) d" : "latest value of a key; tombstones \(days) d"
            text += "| [`\(topic.name)`](#\(anchor(topic.name))) | \(topic.kind.rawValue) | \(topic.partitions) "
            text += "| \(kept) | \(types.joined(separator: ", ")) |\n"
        }
        return text
    }

    private static func section(_ entry: Catalogue.Entry) throws -> String {
        let example = try entry.example()
        let value = try JSONDecoder().decode(JSONValue.self, from: example.value ?? Data())
        var text = "\n### `\(entry.type)`\n\n\(entry.summary)\n\n"
        text += "*\(entry.audience.rawValue)* · key `\(entry.key)`"
        if let partitionKey = entry.partitionKey { text += " · partition key `\(partitionKey)`" }
        text += " · written by \(names(entry.writers)) · read by \(names(entry.readers))\n\n"
        text += "| Property | Type | |\n|---|---|---|\n"
        if case .object(let properties) = entry.schema { text += rows(properties, prefix: "") }
        let json = String(decoding: try CataloguePrinter.pretty(value), as: UTF8.self)
        return text + "\n<details><summary>Example</summary>\n\n```json\n\(json)```\n\n</details>\n"
    }

    private static func names(_ services: [Catalogue.Service]) -> String {
        services.map { "`\($0.executable)`" }.joined(separator: ", ")
    }

    private static func rows(_ properties: [Schema.Property], prefix: String, isChoice: Bool = false) -> String {
        var text = ""
        for property in properties {
            let optional = property.isRequired || isChoice ? "" : ", optional"
            text += "| `\(prefix)\(property.name)` | \(kind(property.schema))\(optional) | \(property.description) |\n"
            text += nested(property.schema, prefix: "\(prefix)\(property.name)")
        }
        return text
    }

    private static func nested(_ schema: Schema, prefix: String) -> String {
        switch schema {
        case .object(let properties): rows(properties, prefix: "\(prefix).")
        case .oneOf(let properties): rows(properties, prefix: "\(prefix).", isChoice: true)
        case .array(let element): nested(element, prefix: "\(prefix)[]")
        case .map(let value): nested(value, prefix: "\(prefix).*")
        default: ""
        }
    }

    private static func kind(_ schema: Schema) -> String {
        switch schema {
        case .string: "text"
        case .time: "time"
        case .base64: "base64"
        case .id(let prefix): "id `\(prefix)_…`"
        case .boolean: "boolean"
        case .integer(let minimum): minimum == 0 ? "integer ≥ 0" : "integer"
        case .array(let element): "list of \(kind(element))"
        case .map(let value): "object by name of \(kind(value))"
        case .object: "object"
        case .oneOf: "one of"
        case .closed(let values): "closed: " + values.map { "`\($0)`" }.joined(separator: ", ")
        case .open(let values): "open: " + values.map { "`\($0)`" }.joined(separator: ", ")
        }
    }

    /// The fragment that Markdown renderers give the heading of a topic.
    private static func anchor(_ name: String) -> String { name.filter { $0 != "." } }
}
