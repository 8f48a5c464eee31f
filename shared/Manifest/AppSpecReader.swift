// SPDX-License-Identifier: Apache-2.0
import Domain

/// From a tree to a specification. Each part is read whether or not another failed, so that all problems are found.
struct AppSpecReader {
    let problems: ProblemLog

    static let keys = [
        "build", "web", "release", "services", "relationships", "instances", "environment", "mounts", "resources",
    ]

    func read(_ root: Tree) -> AppSpec? {
        guard let section = Field(path: "", tree: root, problems: problems).section(Self.keys) else { return nil }
        let build = section.required(
            "build", "say how the image is made, such as build: { runtime: python:3.11 } or { dockerfile: Dockerfile }"
        ).flatMap(readBuild)
        let web = section.required("web", "say what to run, such as web: { command: ./serve }").flatMap {
            readWeb($0, build: build)
        }
        let release = section["release"].flatMap(readRelease)
        let services = section["services"].map(readServices) ?? [:]
        let environment = section["environment"].map(readEnvironment) ?? [:]
        let relationships = section["relationships"].map {
            readRelationships($0, services: section["services"], environment: environment)
        }
        let instances = section["instances"].map {
            $0.integer(in: 1...Limits.instancesMax, expected: "a number from 1 to \(Limits.instancesMax)")
        }
        let mounts = section["mounts"].map(readMounts) ?? [:]
        let resources = section["resources"].map(readResources)
        guard let build, let web else { return nil }
        return AppSpec(
            build: build,
            run: RunSpec(
                web: web, release: release, services: services, relationships: relationships ?? [:],
                instances: (instances ?? nil) ?? 1, environment: environment, mounts: mounts,
                resources: resources ?? ResourceSpec()))
    }

    // MARK: Build

    private func readBuild(_ field: Field) -> BuildSpec? {
        guard let section = field.section(["runtime", "dockerfile", "hook"]) else { return nil }
        let hook = section["hook"].flatMap { $0.text(expected: "a shell command, such as ./build.sh") }
        if let dockerfile = section["dockerfile"] {
            if section["runtime"] != nil {
                section.field.fail("found both runtime and dockerfile, expected one of them")
            }
            if let hook = section["hook"] {
                hook.fail("a hook goes with a runtime: with a Dockerfile, write it there as a RUN line")
            }
            return dockerfile.value(
                expected: "a path inside the repository without \"..\", such as docker/web.Dockerfile",
                Rules.repositoryPath
            ).map { BuildSpec(source: .dockerfile($0)) }
        }
        guard let runtime = section["runtime"] else {
            section.missing("runtime", "expected runtime, such as python:3.11 or node:20, or dockerfile with a path")
            return nil
        }
        return readRuntime(runtime).map { BuildSpec(source: $0, hook: hook) }
    }

    private func readRuntime(_ field: Field) -> BuildSpec.Source? {
        let expected = "a language and its version, such as python:3.11 or node:20"
        guard let text = field.text(expected: expected) else { return nil }
        let (language, version) = Self.pair(text)
        guard ["python", "node"].contains(language) else {
            let advice = NearestWord.to(language, among: ["python", "node"]).map { ": did you mean \($0)?" } ?? ""
            field.fail("found \(field.tree.found), expected \(expected)\(advice)")
            return nil
        }
        let isVersion =
            language == "python"
            ? version.hasPrefix("3.") && Rules.isVersion(version, parts: 2...3, digits: 2)
            : Rules.isVersion(version, parts: 1...3, digits: 3)
        guard isVersion else {
            field.fail(expected: language == "python" ? "python:3.x, such as python:3.11" : "node:x, such as node:20")
            return nil
        }
        return .runtime(language: language, version: String(version))
    }

    /// Both sides of the first colon.
    private static func pair(_ text: String) -> (String, Substring) {
        guard let colon = text.firstIndex(of: ":") else { return (text, "") }
        return (String(text[..<colon]), text[text.index(after: colon)...])
    }

    // MARK: Web and release

    private func readWeb(_ field: Field, build: BuildSpec?) -> WebSpec? {
        guard let section = field.section(["command", "port", "health", "stop_grace"]) else { return nil }
        let command = section["command"].flatMap { $0.command() }
        if section["command"] == nil, case .runtime = build?.source {
            section.missing("command", "a runtime needs to be told what to run, such as gunicorn app:app")
        }
        var web = WebSpec(command: command, port: 8_000)
        let port = section["port"].flatMap { $0.integer(in: 1...65_535, expected: "a port from 1 to 65535") }
        web.port = port ?? web.port
        if let health = section["health"] { web.health = readHealth(health) }
        if let grace = section["stop_grace"],
            let milliseconds = grace.milliseconds(in: ManifestLimits.stopGraceMilliseconds)
        {
            web.stopGraceSeconds = wholeSeconds(milliseconds, grace)
        }
        return web
    }

    private func wholeSeconds(_ milliseconds: Int, _ field: Field) -> Int {
        if !milliseconds.isMultiple(of: 1_000) { field.fail(expected: "whole seconds, such as 10s") }
        return milliseconds / 1_000
    }

    private func readHealth(_ field: Field) -> HealthCheck {
        var health = HealthCheck()
        let expected = "a path that begins with /, such as /healthz"
        func path(_ field: Field) -> String? {
            field.value(expected: expected) { Rules.isRequestPath($0) ? $0 : nil }
        }
        if case .text = field.tree.kind {
            health.path = path(field) ?? health.path
            return health
        }
        guard let section = field.section(["path", "interval", "timeout", "deadline"]) else { return health }
        health.path = section["path"].flatMap(path) ?? health.path
        func duration(_ key: String, _ range: ClosedRange<Int>, _ fallback: Int) -> Int {
            section[key].flatMap { $0.milliseconds(in: range) } ?? fallback
        }
        health.intervalMilliseconds = duration(
            "interval", ManifestLimits.healthIntervalMilliseconds, health.intervalMilliseconds)
        health.timeoutMilliseconds = duration(
            "timeout", ManifestLimits.healthTimeoutMilliseconds, health.timeoutMilliseconds)
        health.deadlineMilliseconds = duration(
            "deadline", ManifestLimits.healthDeadlineMilliseconds, health.deadlineMilliseconds)
        return health
    }

    private func readRelease(_ field: Field) -> HookSpec? {
        guard case .mapping = field.tree.kind else { return field.command().map { HookSpec(command: $0) } }
        guard let section = field.section(["command", "timeout"]) else { return nil }
        var hook = section.required("command", "say what the release runs, such as ./migrate")
            .flatMap { $0.command() }.map { HookSpec(command: $0) }
        if let timeout = section["timeout"],
            let milliseconds = timeout.milliseconds(in: ManifestLimits.releaseTimeoutMilliseconds)
        {
            hook?.timeoutSeconds = wholeSeconds(milliseconds, timeout)
        }
        return hook
    }
}
