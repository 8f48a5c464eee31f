// SPDX-License-Identifier: Apache-2.0
import Domain
import Foundation
import Testing

@testable import Events

/// The catalogue is held to the Swift types: every statement of a schema is tried on the type that it describes.
struct CatalogueTests {
    @Test func everyPayloadOfTheModuleIsListedOnce() throws {
        let types = Catalogue.all.map(\.type)
        #expect(Set(types).count == types.count)
        #expect(Set(types) == Set(try typesInTheSource()))
        #expect(Set(Catalogue.all.map(\.topic)) == Set(Topic.all))
        #expect(Catalogue.entry("usage.recorded.v1")?.topic == .usage)
        let unknown = Catalogue.entry("usage.recorded.v9")
        #expect(unknown == nil)
    }

    @Test(arguments: Catalogue.all) func typesAreVersionedAndDescribed(entry: Catalogue.Entry) throws {
        #expect(entry.type.wholeMatch(of: /[a-z]+(-[a-z]+)*(\.[a-z]+(-[a-z]+)*)*\.v[1-9][0-9]*/) != nil)
        #expect(entry.version >= 1)
        #expect(entry.type.hasSuffix(".v\(entry.version)"))
        #expect(entry.summary.hasSuffix("."))
        #expect(!entry.writers.isEmpty && !entry.readers.isEmpty)
        for property in entry.schema.allProperties {
            #expect(property.description.hasSuffix("."), "\(property.name)")
        }
    }

    /// What is sealed to a service tells consumers outside nothing, and nothing secret is for them.
    @Test(arguments: Catalogue.all.filter { $0.audience == .public }) func publicTypesHoldNothingSealed(
        entry: Catalogue.Entry
    ) throws {
        let names = entry.schema.allProperties.map(\.name)
        #expect(!names.contains("ciphertext") && !names.contains("variables") && !names.contains("token"))
    }

    @Test(arguments: Catalogue.all) func keysAreWhatTheTemplatesSay(entry: Catalogue.Entry) throws {
        let record = try entry.example()
        let payload = try JSONDecoder().decode(JSONValue.self, from: #require(record.value))
        #expect(record.key == filled(entry.key, from: payload))
        #expect(record.partitionKey == entry.partitionKey.map { filled($0, from: payload) })
        #expect(record.headers["ce_subject"] == record.key)
        #expect(record.topic == entry.topic.name)
        #expect(record.headers["ce_source"] == entry.writers[0].source)
        let headers = try #require(AsyncAPI.headers["properties"])
        for (name, _) in record.headers { #expect(headers[name] != nil, "\(name)") }
    }

    @Test(arguments: Catalogue.all) func theExampleHasExactlyWhatTheSchemaLists(entry: Catalogue.Entry) throws {
        for problem in try SchemaTrial(entry).mismatches { Issue.record("\(entry.type) \(problem)") }
    }

    @Test(arguments: Catalogue.all) func theTypeAcceptsAndRefusesWhatTheSchemaSays(entry: Catalogue.Entry) throws {
        let trial = try SchemaTrial(entry)
        let variants = trial.variants
        #expect(variants.contains { !$0.isValid } && variants.contains { $0.isValid })
        for variant in variants {
            let accepted = trial.accepts(variant.payload)
            #expect(
                accepted == variant.isValid, "\(entry.type) \(variant.what): \(accepted ? "accepted" : "refused")")
        }
    }

    private func filled(_ template: String, from payload: JSONValue) -> String {
        template.replacing(/\{([A-Za-z]+)\}/) { match in
            if case .string(let text)? = payload[String(match.1)] { text } else { "missing" }
        }
    }

    private func typesInTheSource() throws -> [String] {
        let folder = Checkout.root.appending(path: "shared/Events")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        return try files.filter { $0.pathExtension == "swift" }.flatMap { file in
            try String(contentsOf: file, encoding: .utf8).matches(of: /public static let type = "([^"]+)"/)
                .map { String($0.1) }
        }
    }
}

extension Catalogue.Entry: CustomTestStringConvertible {
    public var testDescription: String { type }
}

extension Schema {
    /// Of this object and of everything in it.
    var allProperties: [Property] {
        switch self {
        case .object(let properties), .oneOf(let properties): properties.flatMap { [$0] + $0.schema.allProperties }
        case .array(let element), .map(let element): element.allProperties
        default: []
        }
    }
}

enum Checkout {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
}
