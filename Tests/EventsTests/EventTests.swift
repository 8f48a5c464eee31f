// SPDX-License-Identifier: Apache-2.0
import Domain
import Foundation
import Secrets
import Testing

@testable import Events

struct EventTests {
    private let event = Event(
        id: EventID("evt_1"), source: "/slipway/controller", time: Timestamp(microseconds: 0),
        traceparent: "00-a-b-01",
        data: RoutesObserved(
            node: IngressNodeID("ing_1"), generation: 7, draining: [InstanceID("ins_1"): 2],
            heartbeatAt: Timestamp(microseconds: 1)))

    @Test func aRecordCarriesTheCloudEventsHeaders() throws {
        let record = try event.record()
        #expect(record.topic == "routes.observed")
        #expect(record.key == "ing_1")
        #expect(record.headers["ce_specversion"] == "1.0")
        #expect(record.headers["ce_id"] == "evt_1")
        #expect(record.headers["ce_type"] == "routes.observed.v1")
        #expect(record.headers["ce_source"] == "/slipway/controller")
        #expect(record.headers["ce_time"] == "1970-01-01T00:00:00.000000Z")
        #expect(record.headers["content-type"] == "application/json")
        #expect(record.headers["traceparent"] == "00-a-b-01")
        let value = try #require(record.value)
        #expect(
            String(decoding: value, as: UTF8.self)
                == #"{"draining":{"ins_1":2},"generation":7,"#
                + #""heartbeatAt":"1970-01-01T00:00:00.000001Z","node":"ing_1"}"#)
    }

    @Test func aRecordIsReadBackWhole() throws {
        let back = try Event<RoutesObserved>(event.record())
        #expect(back.data == event.data)
        #expect(back.id == event.id)
        #expect(back.time == event.time)
        #expect(back.traceparent == event.traceparent)
    }

    @Test func readersPassOverFieldsTheyDoNotKnow() throws {
        var record = try event.record()
        record.value = Data(
            #"{"draining":{},"generation":1,"heartbeatAt":"2026-01-01T00:00:00Z","node":"n","later":{"x":1}}"#.utf8)
        #expect(try Event<RoutesObserved>(record).data.generation == 1)
    }

    @Test func damagedRecordsAreRefusedByNameAndWithoutTheirContent() throws {
        let good = try event.record()
        func refusal(_ change: (inout Record) -> Void) -> String {
            var record = good
            change(&record)
            do {
                _ = try Event<RoutesObserved>(record)
                return "accepted"
            } catch { return "\(error)" }
        }
        #expect(refusal { $0.headers["ce_id"] = nil } == "the record has no header ce_id")
        #expect(refusal { $0.headers["ce_type"] = "other.v1" }.contains("expected routes.observed.v1"))
        #expect(refusal { $0.value = Data("sentinel".utf8) }.contains("not JSON"))
        #expect(!refusal { $0.value = Data("sentinel".utf8) }.contains("sentinel"))
        #expect(refusal { $0.value = Data(#"{"node":"n"}"#.utf8) }.contains("is missing"))
        #expect(refusal { $0.value = nil }.contains("tombstone"))
    }

    @Test func topicNamesAreUnique() {
        #expect(Set(Topic.all.map(\.name)).count == Topic.all.count)
    }
}
