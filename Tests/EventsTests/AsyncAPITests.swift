// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Events

/// That the document is valid is for the validators of Tests/EndToEnd/test_catalogue.py; here: that it says it all.
struct AsyncAPITests {
    private let document: JSONValue

    init() throws { document = try JSONDecoder().decode(JSONValue.self, from: AsyncAPI.document()) }

    @Test func everyTopicIsAChannelWithItsConfiguration() throws {
        guard case .object(let channels)? = document["channels"] else { throw Missing() }
        #expect(channels.count == Topic.all.count)
        for topic in Topic.all {
            let channel = try #require(
                channels.values.first { $0["address"] == .string("{cloudspace}.\(topic.name)") }, "\(topic.name)")
            let kafka = try #require(channel["bindings"]?["kafka"])
            #expect(kafka["partitions"] == .integer(Int64(topic.partitions)))
            let policy: JSONValue = topic.kind == .state ? ["compact"] : ["delete"]
            #expect(kafka["topicConfiguration"]?["cleanup.policy"] == policy)
        }
        let usage = channels["usage"]?["bindings"]?["kafka"]?["topicConfiguration"]
        #expect(usage?["retention.ms"] == .integer(30 * 86_400_000))
    }

    @Test func everyTypeIsAMessageOfItsChannelWithWritersAndReaders() throws {
        let operations = try #require(document["operations"])
        for entry in Catalogue.all {
            let id = entry.type.replacing(".", with: "_")
            let message = try #require(document["components"]?["messages"]?[id], "\(entry.type)")
            #expect(message["x-audience"] == .string(entry.audience.rawValue))
            #expect(message["payload"] == entry.schema.json())
            let channel = entry.topic.name.replacing(".", with: "_")
            let reference = document["channels"]?[channel]?["messages"]?[id]?["$ref"]
            #expect(reference == .string("#/components/messages/\(id)"))
            for (action, services) in [("send", entry.writers), ("receive", entry.readers)] {
                for service in services {
                    let operation = try #require(operations["\(service.executable)_\(action)_\(channel)"])
                    #expect(operation["action"] == .string(action))
                    guard case .array(let messages)? = operation["messages"] else { throw Missing() }
                    #expect(messages.contains(["$ref": .string("#/channels/\(channel)/messages/\(id)")]))
                }
            }
        }
    }

    private struct Missing: Error {}
}
