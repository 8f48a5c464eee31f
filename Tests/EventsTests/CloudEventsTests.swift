// SPDX-License-Identifier: Apache-2.0
import Domain
import Foundation
import Testing

@testable import Events

/// Against CloudEvents 1.0.2: core specification section 3, Kafka protocol binding section 3, JSON event format.
struct CloudEventsTests {
    /// Kafka protocol binding, section 3.2.5, with the further attributes of the example in section 3.1 of the core.
    private let binaryExample = Record(
        topic: "mytopic", key: "mykey",
        headers: [
            "ce_specversion": "1.0", "ce_type": "com.example.someevent", "ce_source": "/mycontext/subcontext",
            "ce_id": "1234-1234-1234", "ce_time": "2018-04-05T03:56:24Z", "content-type": "application/avro",
        ], value: Data([0x0A, 0xFF, 0x00]))

    private static let stop = BuildCancelRequested(build: BuildID("bld_1"))

    private static func record(_ change: (inout Record) -> Void = { _ in }) -> Record {
        var record = Record(
            topic: "builds", key: "bld_1",
            headers: [
                "ce_specversion": "1.0", "ce_type": BuildCancelRequested.type, "ce_source": "/slipway/controller",
                "ce_id": "A234-1234-1234", "ce_time": "2018-04-05T17:31:00Z", "content-type": "application/json",
            ], value: Data(#"{"build":"bld_1"}"#.utf8))
        change(&record)
        return record
    }

    private func object(_ record: Record) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: record.structuredJSON())
    }

    // MARK: Binary mode

    @Test func whatIsWrittenKeepsTheRulesOfTheBinding() throws {
        for entry in Catalogue.all {
            let record = try entry.example()
            for (name, value) in record.headers {
                #expect(!value.isEmpty, "\(entry.type) \(name)")
                guard name.hasPrefix("ce_") else {
                    #expect(["content-type", "traceparent"].contains(name))
                    continue
                }
                #expect(name.dropFirst(3).wholeMatch(of: /[a-z0-9]{1,20}/) != nil, "\(name)")
            }
            #expect(record.headers["ce_specversion"] == "1.0")
            #expect(record.headers["content-type"] == "application/json")
            #expect(record.headers["ce_datacontenttype"] == nil, "the binding maps it to content-type")
            #expect(record.headers["ce_data"] == nil)
            _ = try CloudEvents.Attributes(record)
        }
        let tombstone = Record.tombstone(RouteDesired.self, key: "a.example.org", source: "/slipway/controller")
        #expect(tombstone.value == nil)
        #expect(try CloudEvents.Attributes(tombstone).type == RouteDesired.type)
    }

    @Test func theExampleOfTheBindingIsUnderstood() throws {
        let attributes = try CloudEvents.Attributes(binaryExample)
        #expect(attributes.id == "1234-1234-1234")
        #expect(attributes.type == "com.example.someevent")
        #expect(attributes.source == "/mycontext/subcontext")
        #expect(attributes.time == Timestamp(rfc3339: "2018-04-05T03:56:24Z"))
        #expect(!attributes.dataIsJSON)
        #expect(throws: EventError.self) { try Event<BuildCancelRequested>(binaryExample) }
    }

    @Test(arguments: [
        ("a source that is an absolute URI", record { $0.headers["ce_source"] = "https://github.com/cloudevents" }),
        (
            "a source that is a URN",
            record { $0.headers["ce_source"] = "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66" }
        ),
        ("a source that is a mailto", record { $0.headers["ce_source"] = "mailto:cncf-wg-serverless@lists.cncf.io" }),
        ("a source that is relative", record { $0.headers["ce_source"] = "1-555-123-4567" }),
        ("a source with an escape", record { $0.headers["ce_source"] = "/sensors/tn-1234567/a%20b" }),
        ("extensions nobody knows", record { $0.headers["ce_comexampleextension1"] = "value" }),
        ("headers that are no attributes", record { $0.headers["x-request-id"] = "1" }),
        ("another media type of JSON", record { $0.headers["content-type"] = "Application/Vnd.X+JSON; charset=utf-8" }),
        ("no content type", record { $0.headers["content-type"] = nil }),
        ("no subject", record { $0.headers["ce_subject"] = nil }),
        ("a time with an offset", record { $0.headers["ce_time"] = "2018-04-05T19:31:00+02:00" }),
        ("an id of blanks and signs", record { $0.headers["ce_id"] = " ☂ " }),
    ]) func accepted(what: String, record: Record) throws {
        let event = try Event<BuildCancelRequested>(record)
        #expect(event.data == Self.stop, "\(what)")
        #expect(event.time == Timestamp(rfc3339: "2018-04-05T17:31:00Z"), "\(what)")
    }

    @Test(arguments: [
        (record { $0.headers["ce_specversion"] = nil }, "no header ce_specversion"),
        (record { $0.headers["ce_id"] = nil }, "no header ce_id"),
        (record { $0.headers["ce_source"] = nil }, "no header ce_source"),
        (record { $0.headers["ce_type"] = nil }, "no header ce_type"),
        (record { $0.headers["ce_time"] = nil }, "no header ce_time"),
        (record { $0.headers["ce_id"] = "" }, "header ce_id is empty"),
        (record { $0.headers["ce_source"] = "" }, "header ce_source is empty"),
        (record { $0.headers["ce_type"] = "" }, "header ce_type is empty"),
        (record { $0.headers["ce_specversion"] = "0.3" }, "header ce_specversion is not 1.0"),
        (record { $0.headers["ce_source"] = "not a uri" }, "header ce_source is not a URI reference"),
        (record { $0.headers["ce_source"] = "/a%2" }, "header ce_source is not a URI reference"),
        (record { $0.headers["ce_source"] = "/ü" }, "header ce_source is not a URI reference"),
        (record { $0.headers["ce_time"] = "yesterday" }, "header ce_time is not an RFC 3339 time"),
        (record { $0.headers["content-type"] = "application/avro" }, "header content-type does not name JSON"),
        (
            record { $0.headers["content-type"] = "application/cloudevents+json; charset=UTF-8" },
            "a CloudEvent in structured mode (content-type application/cloudevents+json; charset=UTF-8), "
                + "expected binary"
        ),
        (record { $0.headers["content-type"] = "Application/CloudEvents+Avro" }, "a CloudEvent in structured mode"),
    ]) func refusedByName(record: Record, reason: String) {
        let error = #expect(throws: EventError.self) { try Event<BuildCancelRequested>(record) }
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "accepted")")
    }

    /// Kafka protocol binding, section 3.3.4: the receiver can tell it by the content type alone.
    @Test func theStructuredExampleOfTheBindingIsRefusedByName() {
        let record = Record(
            topic: "mytopic", key: "mykey", headers: ["content-type": "application/cloudevents+json; charset=UTF-8"],
            value: Data(#"{"specversion":"1.0","type":"com.example.someevent","source":"/mycontext","id":"1"}"#.utf8))
        let error = #expect(throws: EventError.self) { try Event<BuildCancelRequested>(record) }
        #expect(error?.description.contains("structured mode") == true)
        #expect(throws: EventError.self) { try record.structuredJSON() }
    }

    // MARK: JSON event format

    /// JSON event format, section 3.2, the third example.
    @Test func anEventWithJSONDataIsWrittenAsInTheSpecification() throws {
        let record = Self.record {
            $0.headers["ce_type"] = "com.example.someevent"
            $0.headers["ce_source"] = "/mycontext"
            $0.headers["ce_id"] = "C234-1234-1234"
            $0.headers["ce_comexampleextension1"] = "value"
            $0.value = Data("{\n  \"appinfoA\" : \"abc\",\r\n  \"appinfoB\" : 123,\n  \"appinfoC\" : true\n}".utf8)
        }
        let expected: JSONValue = [
            "specversion": "1.0", "type": "com.example.someevent", "source": "/mycontext", "id": "C234-1234-1234",
            "time": "2018-04-05T17:31:00Z", "comexampleextension1": "value", "datacontenttype": "application/json",
            "data": ["appinfoA": "abc", "appinfoB": 123, "appinfoC": true],
        ]
        #expect(try object(record) == expected)
        let text = String(decoding: try record.structuredJSON(), as: UTF8.self)
        #expect(!text.contains("\n") && !text.contains("\r"), "a line of server-sent events")
    }

    /// JSON event format, section 3.2, the first example.
    @Test func binaryDataIsWrittenInBase64() throws {
        let json = try object(binaryExample)
        #expect(json["data_base64"] == "Cv8A")
        #expect(json["datacontenttype"] == "application/avro")
        let data = json["data"]
        #expect(data == nil)
    }

    @Test(arguments: ["1.5", "\"text\"", "[1,2]", "null", "12345678901234567890.000000001"])
    func dataIsKeptAsItCame(value: String) throws {
        let text = String(decoding: try Self.record { $0.value = Data(value.utf8) }.structuredJSON(), as: UTF8.self)
        #expect(text.hasSuffix(#","data":\#(value)}"#))
    }

    @Test func aTombstoneHasNoData() throws {
        let json = try object(
            Record.tombstone(RouteDesired.self, key: "a.example.org", source: "/slipway/controller"))
        let (data, contentType) = (json["data"], json["datacontenttype"])
        #expect(data == nil && contentType == nil)
        #expect(json["subject"] == "a.example.org")
    }

    @Test func theTraceOfTheTransportIsGivenWhereTheEventHasNone() throws {
        let transport = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        let extending = "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01"
        #expect(try object(Self.record { $0.headers["traceparent"] = transport })["traceparent"] == .string(transport))
        let both = Self.record {
            $0.headers["traceparent"] = transport
            $0.headers["ce_traceparent"] = extending
        }
        #expect(try object(both)["traceparent"] == .string(extending))
    }

    @Test func headersCannotReplaceOrDoubleTheData() throws {
        let record = Self.record {
            $0.headers["ce_data"] = "forged"
            $0.headers["ce_data_base64"] = "forged"
            $0.headers["ce_datacontenttype"] = "forged"
            $0.headers["ce_"] = "forged"
            $0.headers["ce_Upper"] = "forged"
        }
        let text = String(decoding: try record.structuredJSON(), as: UTF8.self)
        #expect(!text.contains("forged"))
    }

    @Test(arguments: [
        (record { $0.value = Data("sentinel".utf8) }, "not JSON"),
        (record { $0.value = Data(#"{"a":1},"id":"2""#.utf8) }, "not JSON"),
        (record { $0.value = Data() }, "not JSON"),
        (record { $0.headers["ce_id"] = nil }, "ce_id"),
    ]) func whatIsNoEventIsNotWritten(record: Record, reason: String) {
        let error = #expect(throws: EventError.self) { try record.structuredJSON() }
        #expect(error?.description.contains(reason) == true)
        #expect(error?.description.contains("sentinel") == false)
    }
}
