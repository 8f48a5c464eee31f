// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import TestSupport
import Testing

@testable import ControlPanel

/// What leaves the platform by the feeds, and what does not.
@Suite struct FeedAudienceTests {
    @Test func theFeedHasThePublicEventsOfTheCatalogue() {
        let wanted = Catalogue.all.filter {
            $0.audience == .public && $0.topic.kind == .event && $0.type != LogLines.type
        }
        #expect(Set(FeedPayloads.types) == Set(wanted.map(\.type)))
        #expect(FeedPayloads.types.count == Set(FeedPayloads.types).count)
        let read = Set(PanelEvents.topics)
        #expect(wanted.allSatisfy { read.contains($0.topic) })
    }

    /// Every event type there is, as the catalogue's example has it, goes over the bus to the panel.
    @Test func nothingSealedAndNothingInternalReachesAFeed() async throws {
        try await PanelFixture.withBus { fixture in
            let pool = fixture.pool
            var records: [Record] = []
            for entry in Catalogue.all where entry.topic.kind == .event {
                var record = try entry.example()
                // The examples share an id, and the panel handles an id once.
                record.headers["ce_id"] = EventID.generate().rawValue
                records.append(record)
            }
            // The examples belong to an organisation named acme, which is there, and to these.
            let progressed = try #require(records.first { $0.type == DeploymentProgressed.type })
            let data = try Event<DeploymentProgressed>(progressed).data
            try await pool.query(
                """
                INSERT INTO apps (id, organisation, name) SELECT 'app_1', id, 'shop' FROM organisations
                WHERE name = 'acme'
                """)
            try await pool.query(
                """
                INSERT INTO environments (id, app, name, branch, hostname)
                VALUES (\(data.environment), 'app_1', 'main', 'main', 'shop.test')
                """)
            try await pool.query(
                """
                INSERT INTO deployments
                    (id, environment, number, kind, state, stage, commit_id, message, snapshot)
                VALUES (\(data.deployment), \(data.environment), 1, 'push', 'queued', 'queued', 'c', 'm', '{}')
                """)
            try await fixture.panel.bus.publish(records)
            let expected = Set(FeedPayloads.types)
            try await eventually("every public event is in the feed") {
                try await types(in: fixture) == expected
            }
            try await eventually("the panel has handled all there is") {
                let lags = try await fixture.panel.bus.groupPositions().filter { $0.group == PanelEvents.group }
                return !lags.isEmpty && lags.allSatisfy { $0.lag == 0 }
            }
            #expect(try await types(in: fixture) == expected)
            let text = try await pool.query("SELECT event FROM feed").map { try $0.string("event") }.joined()
            let sentinels = try records.flatMap { try sealedTexts(in: $0) }
            #expect(!sentinels.isEmpty)
            for sentinel in sentinels { #expect(!text.contains(sentinel)) }
            #expect(!text.contains("ciphertext") && !text.contains("\"variables\""))
        }
    }

    private func types(in fixture: PanelFixture) async throws -> Set<String> {
        Set(try await fixture.pool.query("SELECT DISTINCT type FROM feed").map { try $0.string("type") })
    }

    /// The ciphertexts in a record, wherever they stand.
    private func sealedTexts(in record: Record) throws -> [String] {
        func search(_ json: JSONValue) -> [String] {
            switch json {
            case .object(let members):
                members.flatMap { name, value -> [String] in
                    if name == "ciphertext", case .string(let text) = value { return [text] }
                    return search(value)
                }
            case .array(let elements): elements.flatMap(search)
            default: []
            }
        }
        return search(try JSONDecoder().decode(JSONValue.self, from: record.value ?? Data("null".utf8)))
    }
}
