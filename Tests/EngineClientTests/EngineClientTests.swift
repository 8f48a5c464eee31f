// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Logging
import NIOCore
import Synchronization
import Testing

@testable import EngineClient

@Suite struct EngineClientTests {
    private func withClient(
        _ answer: @escaping @Sendable (FakeEngine.Asked) -> FakeEngine.Answer,
        _ body: (EngineClient, FakeEngine) async throws -> Void
    ) async throws {
        try await FakeEngine.with(answer) { engine in
            let client = EngineClient(socketPath: engine.socketPath, logger: Logger(label: "test"))
            do {
                try await body(client, engine)
            } catch {
                try await client.shutdown()
                throw error
            }
            try await client.shutdown()
        }
    }

    @Test func callsNameTheVersionAHostAndAnEmptyBody() async throws {
        try await withClient({ _ in .init(status: .noContent) }) { client, engine in
            try await client.startContainer("c1")
            let asked = try #require(engine.requests.first)
            #expect(asked.uri == "/v1.41/containers/c1/start")
            #expect(asked.headers["host"].count == 1)
            #expect(asked.headers.first(name: "content-length") == "0")
        }
    }

    @Test func filtersArriveAsTheyWereMeant() async throws {
        try await withClient({ _ in .init(chunks: ["[]"]) }) { client, engine in
            _ = try await client.listContainers(labels: ["b": "2 &", "a": "1"])
            let asked = try #require(engine.requests.first)
            #expect(asked.uri.hasSuffix("filters=%7B%22label%22%3A%5B%22a%3D1%22%2C%22b%3D2%20%26%22%5D%7D"))
        }
    }

    @Test func whatTheEngineSaysBecomesTheErrorsMessage() async throws {
        let answer = FakeEngine.Answer(status: .conflict, chunks: [#"{"message":"name is in use"}"#])
        try await withClient({ _ in answer }) { client, _ in
            await #expect(throws: EngineError(code: .conflict, status: 409, message: "name is in use")) {
                _ = try await client.createContainer(name: "x", ContainerSpec(image: "i"))
            }
        }
    }

    @Test func missingObjectsAreNilAndRemovingThemIsNoError() async throws {
        try await withClient({ _ in .init(status: .notFound, chunks: [#"{"message":"No such"}"#]) }) { client, _ in
            let image = try await client.inspectImage("a/b:1")
            let container = try await client.inspectContainer("c")
            let network = try await client.inspectNetwork("n")
            #expect(image == nil && container == nil && network == nil)
            try await client.removeContainer("c", force: true)
            try await client.removeImage("i")
            try await client.removeNetwork("n")
        }
    }

    @Test func engineThatIsGoneIsUnreachableAtOnce() async throws {
        let client = EngineClient(socketPath: "/nonexistent/engine.sock", logger: Logger(label: "test"))
        do {
            try await client.ping()
            Issue.record("nothing listens there")
        } catch let error as EngineError {
            #expect(error.code == .unreachable)
            #expect(error.message.contains("/nonexistent/engine.sock"))
        }
        try await client.shutdown()
    }

    @Test func buildSendsTheContextAndReportsLines() async throws {
        let path = FileManager.default.temporaryDirectory.path + "/slipway-\(UInt64.random(in: 0...UInt64.max)).tar"
        let context = Data((0..<700_000).map { UInt8(truncatingIfNeeded: $0) })
        try context.write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let answer = FakeEngine.Answer(chunks: [
            #"{"stream":"Step 1/1 : FR"}"#, "\r\n" + #"{"stream":"OM x\n"}"# + "\r\n" + #"{"aux":{"ID":"#,
            #""sha256:abc"}}"# + "\r\n",
        ])
        try await withClient({ _ in answer }) { client, engine in
            let lines = Mutex<[String]>([])
            let options = BuildOptions(dockerfile: "a/Dockerfile", tag: "t:1", buildArguments: ["A": "b c"])
            let id = try await client.buildImage(contextPath: path, options: options) { line in
                lines.withLock { $0.append(line) }
            }
            #expect(id == "sha256:abc")
            #expect(lines.withLock { $0 } == ["Step 1/1 : FROM x"])
            let asked = try #require(engine.requests.first)
            #expect(asked.uri.hasPrefix("/v1.41/build?dockerfile=a%2FDockerfile&"))
            #expect(asked.uri.contains("buildargs=%7B%22A%22%3A%22b%20c%22%7D"))
            #expect(asked.headers.first(name: "content-type") == "application/x-tar")
            #expect(Data(asked.body.readableBytesView) == context)
        }
    }

    @Test func failedBuildThrowsTheEnginesMessage() async throws {
        let path = FileManager.default.temporaryDirectory.path + "/slipway-\(UInt64.random(in: 0...UInt64.max)).tar"
        try Data([0]).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let answer = FakeEngine.Answer(chunks: [
            #"{"errorDetail":{"code":2,"message":"returned a non-zero code: 2"},"error":"x"}"# + "\r\n"
        ])
        try await withClient({ _ in answer }) { client, _ in
            await #expect(throws: EngineError(code: .refused, status: 2, message: "returned a non-zero code: 2")) {
                _ = try await client.buildImage(contextPath: path, options: BuildOptions()) { _ in }
            }
        }
    }

    @Test func buildContextThatCannotBeReadIsNamed() async throws {
        try await withClient({ _ in .init() }) { client, engine in
            do {
                _ = try await client.buildImage(contextPath: "/nonexistent/x.tar", options: BuildOptions()) { _ in }
                Issue.record("there is no such file")
            } catch let error as EngineError {
                #expect(error.message.contains("/nonexistent/x.tar"))
            }
            #expect(engine.requests.isEmpty)
        }
    }

    @Test func eventsEndWithAnErrorWhenTheEngineEndsThem() async throws {
        let event = #"{"Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":{"l":"v"}}}"# + "\n"
        try await withClient({ _ in .init(chunks: [event, event]) }) { client, _ in
            var seen: [EngineEvent] = []
            var isConnected = false
            do {
                try await client.events(labels: ["l": "v"], onConnected: { isConnected = true }) { seen.append($0) }
                Issue.record("a lost event stream is an error")
            } catch let error as EngineError {
                #expect(error.code == .unreachable)
            }
            #expect(isConnected)
            #expect(seen.map(\.id) == ["c1", "c1"])
        }
    }

    @Test func errorOfTheCallersHandlerPassesUnchanged() async throws {
        struct Stop: Error {}
        let event = #"{"Type":"container","Action":"die","Actor":{"ID":"c1"}}"# + "\n"
        try await withClient({ _ in .init(chunks: [event]) }) { client, _ in
            await #expect(throws: Stop.self) {
                try await client.events(labels: [:]) { _ in throw Stop() }
            }
        }
    }
}
