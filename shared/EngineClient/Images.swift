// SPDX-License-Identifier: Apache-2.0
import Domain
import NIOCore
import NIOHTTP1

public struct ImageInfo: Sendable, Hashable {
    /// `sha256:…`
    public var id: String
    public var tags: [String]
    public var sizeBytes: Int
    public var labels: [String: String]
    public var created: Timestamp?

    public init(id: String, tags: [String] = [], sizeBytes: Int, labels: [String: String], created: Timestamp?) {
        self.id = id
        self.tags = tags
        self.sizeBytes = sizeBytes
        self.labels = labels
        self.created = created
    }
}

public struct BuildOptions: Sendable, Hashable {
    /// Path inside the context.
    public var dockerfile: String
    /// `repository:tag` that the image gets.
    public var tag: String?
    public var buildArguments: [String: String]
    public var labels: [String: String]
    /// Hard memory limit of each build step.
    public var memoryBytes: Int?
    public var noCache: Bool
    /// Network of the build steps; `none` takes it away. `nil` is the engine's default.
    public var networkMode: String?

    public init(
        dockerfile: String = "Dockerfile", tag: String? = nil, buildArguments: [String: String] = [:],
        labels: [String: String] = [:], memoryBytes: Int? = nil, noCache: Bool = false, networkMode: String? = nil
    ) {
        self.dockerfile = dockerfile
        self.tag = tag
        self.buildArguments = buildArguments
        self.labels = labels
        self.memoryBytes = memoryBytes
        self.noCache = noCache
        self.networkMode = networkMode
    }

    var query: [(String, String)] {
        // Steps that fail leave no container behind either.
        var query = [("dockerfile", dockerfile), ("rm", "1"), ("forcerm", "1")]
        if let tag { query.append(("t", tag)) }
        if !buildArguments.isEmpty { query.append(("buildargs", Filters.object(buildArguments))) }
        if !labels.isEmpty { query.append(("labels", Filters.object(labels))) }
        if let memoryBytes {
            // Equal limits of memory and of memory with swap: no swap.
            query += [("memory", String(memoryBytes)), ("memswap", String(memoryBytes))]
        }
        if noCache { query.append(("nocache", "1")) }
        if let networkMode { query.append(("networkmode", networkMode)) }
        return query
    }
}

extension EngineClient {
    /// - Parameter reference: a name, a name with tag or digest, or an id.
    /// - Returns: `nil` when the engine does not have it.
    public func inspectImage(_ reference: String) async throws -> ImageInfo? {
        let task = "inspecting image \(reference)"
        do {
            let reply = try await call(.GET, "/images/\(reference.percentEncoded(keeping: "/:@"))/json", task: task)
            return try decode(ImageAnswer.self, from: reply, task: task).image
        } catch let error as EngineError where error.code == .notFound {
            return nil
        }
    }

    /// Downloads an image from its registry, without credentials.
    public func pullImage(
        _ reference: String, onMessage: @Sendable (String) async throws -> Void = { _ in }
    ) async throws {
        let (name, tag) = Self.nameAndTag(reference)
        var reader = ProgressReader()
        try await stream(
            .POST, "/images/create", query: [("fromImage", name), ("tag", tag)], task: "pulling image \(reference)"
        ) { chunk in
            for line in try reader.append(chunk.readableBytesView) { try await onMessage(line) }
        }
        for line in reader.finish() { try await onMessage(line) }
        if let failure = reader.failure { throw failure }
    }

    /// Splits a reference at its digest, or at its tag, which is `latest` when absent: without one the engine would
    /// pull every tag there is.
    static func nameAndTag(_ reference: String) -> (name: String, tag: String) {
        if let at = reference.firstIndex(of: "@") {
            return (String(reference[..<at]), String(reference[reference.index(after: at)...]))
        }
        let lastSlash = reference.lastIndex(of: "/") ?? reference.startIndex
        guard let colon = reference[lastSlash...].lastIndex(of: ":") else { return (reference, "latest") }
        return (String(reference[..<colon]), String(reference[reference.index(after: colon)...]))
    }

    public func tagImage(_ reference: String, repository: String, tag: String) async throws {
        try await call(
            .POST, "/images/\(reference.percentEncoded(keeping: "/:@"))/tag",
            query: [("repo", repository), ("tag", tag)],
            task: "tagging image \(reference)")
    }

    /// Removes the image or, when it has several, the tag. What is already gone is no error.
    ///
    /// - Throws: `EngineError` with code `conflict` while a container uses it.
    public func removeImage(_ reference: String, force: Bool = false) async throws {
        do {
            try await call(
                .DELETE, "/images/\(reference.percentEncoded(keeping: "/:@"))", query: force ? [("force", "1")] : [],
                within: EngineLimits.slowCallMax, task: "removing image \(reference)")
        } catch let error as EngineError where error.code == .notFound {}
    }

    /// - Parameter label: `key` or `key=value` that the images carry.
    public func listImages(label: String) async throws -> [ImageInfo] {
        try await listImages(["label": [label]])
    }

    /// - Parameter reference: what name and tag look like, with `*` for any text: `python:*-slim`.
    public func listImages(reference: String) async throws -> [ImageInfo] {
        try await listImages(["reference": [reference]])
    }

    private func listImages(_ filters: [String: [String]]) async throws -> [ImageInfo] {
        let task = "listing images"
        let reply = try await call(.GET, "/images/json", query: [("filters", Filters.text(filters))], task: task)
        return try decode([ListedImageAnswer].self, from: reply, task: task).map(\.image)
    }

    /// Sends the tar file at `contextPath` and reports what the engine says about the build, in order, a line a call.
    ///
    /// - Returns: the image's id, `sha256:…`.
    /// - Throws: `EngineError`; of a build that failed, with code `refused`, the engine's message, and as `status` the
    ///   exit code of the failed step where there is one. What `onMessage` throws stops the build.
    public func buildImage(
        contextPath: String, options: BuildOptions, onMessage: @Sendable (String) async throws -> Void
    ) async throws -> String {
        let upload = Upload(file: try UploadFile(path: contextPath), contentType: "application/x-tar")
        var reader = ProgressReader()
        try await stream(.POST, "/build", query: options.query, upload: upload, task: "building an image") { chunk in
            for line in try reader.append(chunk.readableBytesView) { try await onMessage(line) }
        }
        for line in reader.finish() { try await onMessage(line) }
        if let failure = reader.failure { throw failure }
        if let id = reader.imageID { return id }
        if let tag = options.tag, let image = try await inspectImage(tag) { return image.id }
        throw EngineError(code: .protocol, message: "the container engine ended the build without naming an image")
    }
}

private struct ImageAnswer: Decodable {
    struct Config: Decodable {
        var labels: [String: String]?

        enum CodingKeys: String, CodingKey { case labels = "Labels" }
    }

    var id: String
    var tags: [String]?
    var size: Int?
    var created: String?
    var config: Config?

    enum CodingKeys: String, CodingKey {
        case id = "Id"
        case tags = "RepoTags"
        case size = "Size"
        case created = "Created"
        case config = "Config"
    }

    var image: ImageInfo {
        ImageInfo(
            id: id, tags: tags ?? [], sizeBytes: size ?? 0, labels: config?.labels ?? [:],
            created: created.flatMap { Timestamp(rfc3339: $0) })
    }
}

private struct ListedImageAnswer: Decodable {
    var id: String
    var tags: [String]?
    var size: Int?
    var created: Int64?
    var labels: [String: String]?

    enum CodingKeys: String, CodingKey {
        case id = "Id"
        case tags = "RepoTags"
        case size = "Size"
        case created = "Created"
        case labels = "Labels"
    }

    var image: ImageInfo {
        ImageInfo(
            id: id, tags: tags ?? [], sizeBytes: size ?? 0, labels: labels ?? [:],
            created: created.map {
                Timestamp(microseconds: $0.multipliedReportingOverflow(by: 1_000_000).partialValue)
            })
    }
}
