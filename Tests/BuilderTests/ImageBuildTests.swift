// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import Events
import FoundationEssentials
import TestSupport
import Testing

@testable import Builder

@Suite struct ImageBuildTests {
    let requests = Requests()

    /// Runs one build of a repository with `files`, and makes sure that no file of it is left.
    private func build(
        _ files: [String: String], spec: BuildSpec? = nil, variables: [String: Variable.Value] = [:],
        engine: FakeEngine, bus: RecordingBus = RecordingBus(), known: String? = nil
    ) async throws -> ImageBuild.Outcome {
        try await withTemporaryFolder { folder in
            let repository = try await Repository.make(in: folder, files)
            let work = try WorkFolder(folder + "/work")
            let build = ImageBuild(
                engine: engine, bus: bus, key: requests.key, folder: work, cloudspace: "local", network: nil,
                protocols: ["file"], logger: testLogger)
            let outcome = await build.run(
                try requests.request(repository, spec: spec, variables: variables), known: known)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/work/builds").isEmpty)
            return outcome
        }
    }

    private func reason(_ outcome: ImageBuild.Outcome) -> String? {
        guard case .ended(.failed(let reason)) = outcome else { return nil }
        return reason
    }

    @Test func aRuntimeBuildSendsTheCommitWithItsDockerfile() async throws {
        let engine = FakeEngine(lines: ["Step 1/1 : FROM python:3.11-slim"])
        let bus = RecordingBus()
        let outcome = try await build(["app.py": "APP-TEXT", "requirements.txt": "flask\n"], engine: engine, bus: bus)
        guard case .ended(.succeeded(let image, let bytes, let wasReused, _)) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(image == FakeEngine.image && bytes == 1_000 && !wasReused)
        let build = try #require(engine.builds.first)
        #expect(build.context.contains("APP-TEXT") && build.context.contains("COPY requirements.txt ./"))
        #expect(build.options.dockerfile == ".slipway.Dockerfile")
        #expect(build.options.tag == "slipway/acme/shop:1234567890abcdef")
        #expect(
            build.options.labels == ["slipway.cloudspace": "local", "slipway.identity": "1234567890abcdef1234"])
        #expect(try bus.logText().contains("Step 1/1 : FROM python:3.11-slim"))
    }

    @Test(arguments: [
        (
            ["python:3.9-slim", "python:3.10-slim", "node:20-slim"],
            "It has those of python:3.10, python:3.9: name one of them as build.runtime"
        ),
        (["node:20-slim"], "It has none for python: ask its operator for one"),
    ])
    func aRuntimeWithoutBaseImageLeadsToThoseThereAre(bases: [String], advice: String) async throws {
        let failure = EngineError(code: .refused, message: "manifest for python:3.11-slim not found")
        let engine = FakeEngine(failure: failure, bases: bases)
        let text = try #require(reason(try await build(["a": "1"], engine: engine)))
        #expect(text.hasPrefix("The builder has no base image of python:3.11, and none could be downloaded."))
        #expect(text.contains(advice))
        #expect(text.hasSuffix("The container engine said: manifest for python:3.11-slim not found"))
        let ofStep = EngineError(code: .refused, status: 1, message: "pip failed")
        let other = try #require(reason(try await build(["a": "1"], engine: FakeEngine(failure: ofStep, bases: bases))))
        #expect(!other.contains("base image"))
    }

    @Test func anImageThatExistsIsUsedAgainWithoutABuild() async throws {
        let engine = FakeEngine()
        let outcome = try await build(["a": "1"], engine: engine, known: FakeEngine.image)
        guard case .ended(.succeeded(FakeEngine.image, _, let wasReused, _)) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(wasReused && engine.builds.isEmpty)
    }

    @Test func anImageThatIsGoneIsBuiltAgain() async throws {
        let engine = FakeEngine()
        _ = try await build(["a": "1"], engine: engine, known: "sha256:gone")
        #expect(engine.builds.count == 1)
    }

    @Test func secretsReachTheBuildAndNothingElse() async throws {
        let failure = EngineError(
            code: .refused, status: 1,
            message: "The command '/bin/sh -c curl \(Requests.secret)' returned a non-zero code: 1")
        let engine = FakeEngine(
            lines: ["Step 2/3 : RUN curl", "key is \(Requests.secret)", "token is \(Requests.token)"], failure: failure)
        let bus = RecordingBus()
        let outcome = try await build(
            ["a": "1"], variables: ["KEY": try requests.sealedSecret("KEY"), "MODE": .plain("fast")], engine: engine,
            bus: bus)
        let build = try #require(engine.builds.first)
        #expect(build.options.buildArguments == ["KEY": Requests.secret, "MODE": "fast"])
        #expect(build.context.contains("ARG KEY\nARG MODE\n"))
        let text = try #require(reason(outcome))
        #expect(text.hasPrefix("The build failed at step 2 of 3, RUN curl: "))
        #expect(text.hasSuffix("key is [redacted]\ntoken is [redacted]"))
        #expect(!text.contains("SENTINEL") && !build.context.contains("SENTINEL"))
        for record in bus.records {
            #expect(!String(decoding: record.value ?? Data(), as: UTF8.self).contains("SENTINEL"))
        }
    }

    @Test func aDockerfileThatIsNotInTheCommitIsNamed() async throws {
        for path in ["docker/Dockerfile", "docs", "../Dockerfile", "/etc/passwd"] {
            let engine = FakeEngine()
            let outcome = try await build(
                ["docs/a": "1"], spec: BuildSpec(source: .dockerfile(path)), engine: engine)
            let text = try #require(reason(outcome))
            #expect(text.hasPrefix("There is no file \(path) in the commit: correct build.dockerfile"))
            #expect(engine.builds.isEmpty)
        }
    }

    @Test func aDockerfileInTheCommitIsUsed() async throws {
        let engine = FakeEngine()
        let outcome = try await build(
            ["docker/web.Dockerfile": "FROM scratch\n"], spec: BuildSpec(source: .dockerfile("docker/web.Dockerfile")),
            engine: engine)
        #expect(reason(outcome) == nil)
        #expect(engine.builds.first?.options.dockerfile == "docker/web.Dockerfile")
    }

    @Test func aFullDiskIsNamedAsSuch() async throws {
        let failure = EngineError(code: .refused, message: "write /layer.tar: no space left on device")
        let outcome = try await build(["a": "1"], engine: FakeEngine(failure: failure))
        #expect(reason(outcome) == BuildFailure.diskFull.reason)
    }

    @Test func anEngineThatIsAwayForAMomentIsWaitedFor() async throws {
        let bus = RecordingBus()
        let outcome = try await build(["a": "1"], engine: FakeEngine(outages: 2), bus: bus)
        #expect(reason(outcome) == nil)
        #expect(try bus.logText().contains("The container engine cannot be reached at the moment, trying again."))
    }

    @Test func secretsSealedToAnotherBuilderAreAFailureWithItsReason() async throws {
        let foreign = try Requests().sealedSecret("KEY")
        let outcome = try await build(["a": "1"], variables: ["KEY": foreign], engine: FakeEngine())
        #expect(reason(outcome)?.hasPrefix("The builder cannot read this build's secrets (sealed to key ") == true)
    }

    @Test func aCancelledBuildStopsAndLeavesNothing() async throws {
        let engine = FakeEngine(lines: ["begun"], isEndless: true)
        let task = Task { try await build(["a": "1"], engine: engine) }
        try await eventually("the build has begun") { !engine.builds.isEmpty }
        task.cancel()
        #expect(try await task.value == .interrupted)
    }

    @Test func aKilledStepIsToldWhatItMayUse() {
        let error = EngineError(code: .refused, status: 137, message: "returned a non-zero code: 137")
        let failure = BuildFailure.ofEngine(error, (BuildStep("Step 4/9 : RUN npm ci"), ["line"]))
        #expect(
            failure.reason == """
                The build failed at step 4 of 9, RUN npm ci: returned a non-zero code: 137
                The step was killed; a build step may use 2 GB of memory.
                line
                """)
    }
}
