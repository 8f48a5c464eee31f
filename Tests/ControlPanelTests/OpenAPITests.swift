// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Testing
import Yams

@testable import ControlPanel

@Suite struct OpenAPITests {
    private func document() throws -> [String: Any] {
        try #require(try Yams.load(yaml: OpenAPIDocument.yaml) as? [String: Any])
    }

    @Test func theRoutesAreThoseOfTheDocument() async throws {
        let paths = try #require(try document()["paths"] as? [String: [String: Any]])
        let documented = Set(
            paths.flatMap { path, operations in
                operations.keys.filter { $0 != "parameters" }.map { "\($0.uppercased()) \(path)" }
            })
        try await PanelFixture.with { fixture in
            let routes = Set(fixture.panel.router().routes.map { "\($0.method.rawValue) \($0.path)" })
            #expect(routes.subtracting(documented) == [])
            #expect(documented.subtracting(routes) == [])
        }
    }

    @Test func everyReferenceLeadsSomewhere() throws {
        let document = try document()
        for piece in OpenAPIDocument.yaml.split(separator: "$ref: \"#/").dropFirst() {
            var place: Any? = document
            for name in piece.prefix(while: { $0 != "\"" }).split(separator: "/") {
                place = (place as? [String: Any])?[String(name)]
            }
            #expect(place != nil, "\(piece.prefix(60))")
        }
    }

    @Test func everyOperationHasANameAndSaysWhatGoesWrong() throws {
        let paths = try #require(try document()["paths"] as? [String: [String: Any]])
        var names: Set<String> = []
        for (path, operations) in paths {
            for (method, value) in operations where method != "parameters" {
                let operation = try #require(value as? [String: Any], "\(method) \(path)")
                let name = try #require(operation["operationId"] as? String, "\(method) \(path)")
                #expect(names.insert(name).inserted, "\(name)")
                let responses = try #require(operation["responses"] as? [String: Any])
                let isPublic = ["/", "/openapi.yaml", "/openapi.json", "/asyncapi.json"].contains(path)
                #expect(isPublic || responses["default"] != nil, "\(method) \(path)")
            }
        }
    }

    @Test func theJSONIsTheSameDocument() throws {
        struct Document: Decodable, Equatable {
            struct Info: Decodable, Equatable {
                var title: String
                var version: String
            }
            struct Schema: Decodable, Equatable { var required: [String]? }
            struct Components: Decodable, Equatable { var schemas: [String: Schema] }

            var openapi: String
            var info: Info
            var components: Components
        }
        let json = try JSONDecoder().decode(Document.self, from: Data(OpenAPIDocument.json().utf8))
        let yaml = try YAMLDecoder().decode(Document.self, from: OpenAPIDocument.yaml)
        #expect(json == yaml)
        #expect(json.info.version == "1")
    }

    @Test func theDocumentIsServed() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withAPI { api in
                let value74 = try await api.send(.get, "/openapi.yaml", token: "").text
                #expect(value74 == OpenAPIDocument.yaml)
                let value75 = try await api.send(.get, "/openapi.json", token: "").status
                #expect(value75 == 200)
                let value76 = try await api.send(.get, "/", token: "").status
                #expect(value76 == 200)
            }
        }
    }
}
