// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Git's smart HTTP protocol (gitprotocol-http(5)) under `/git/{organisation}/{app}.git`.
struct GitRoutes: Sendable {
    let access: GitAccess
    let backend: GitBackend
    let repositories: Repositories
    let push: PushExchange
    let processes: Slots

    func add(to router: some RouterMethods<PanelContext>) {
        let group = router.group("git/{org}/{app}.git")
        group.get("info/refs", use: advertise)
        group.post("git-upload-pack", use: upload)
        group.post("git-receive-pack", use: receive)
    }

    // MARK: Advertisement

    @Sendable func advertise(_ request: Request, _ context: PanelContext) async throws -> Response {
        guard let name = request.uri.queryParameters["service"],
            let service = GitExchange.Service(rawValue: String(name))
        else {
            throw GitRefusal(
                status: .forbidden, text: "This is a smart HTTP server: it needs Git 1.6.6 or newer to talk to.")
        }
        let grant = try await self.grant(service, request, context)
        try await repositories.ensure(grant.app)
        let slot = try takeSlot()
        defer { withExtendedLifetime(slot) {} }
        let exchange = GitExchange(
            service: service, part: .advertisement, app: grant.app, user: grant.user?.rawValue ?? "builder",
            protocolVersion: try Self.protocolVersion(request))
        let (fields, body) = try await collect(exchange)
        guard fields.status == 200 else {
            throw GitRefusal(
                status: .internalServerError, text: "The repository cannot be read. Try again in a moment.")
        }
        return Response(
            status: .ok,
            headers: Self.headers(type: "application/x-\(service.rawValue)-advertisement"),
            body: ResponseBody(byteBuffer: body))
    }

    private func collect(_ exchange: GitExchange) async throws -> (CGIHead.Fields, ByteBuffer) {
        let output = Handoff<[UInt8]>()
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await backend.run(exchange, body: nil, output: output) }
            var head = CGIHead()
            var fields: CGIHead.Fields?
            var body = ByteBuffer()
            while let bytes = try await output.next() {
                if fields != nil {
                    body.writeBytes(bytes)
                } else {
                    switch head.receive(bytes) {
                    case .incomplete: continue
                    case .malformed: throw GitCommand.Failure(description: "git http-backend: no response head")
                    case .complete(let found, let rest):
                        fields = found
                        body.writeBytes(rest)
                    }
                }
                guard body.readableBytes <= PanelLimits.referenceListBytesMax else {
                    throw GitRefusal(status: .contentTooLarge, text: "The repository has too many references.")
                }
            }
            guard let fields else { throw GitCommand.Failure(description: "git http-backend: no response") }
            return (fields, body)
        }
    }

    // MARK: Exchanges

    @Sendable func upload(_ request: Request, _ context: PanelContext) async throws -> Response {
        let (exchange, slot, _) = try await self.exchange(.upload, request, context)
        let logger = context.logger
        return Response(
            status: .ok, headers: Self.headers(type: "application/x-git-upload-pack-result"),
            body: ResponseBody { writer in
                defer { withExtendedLifetime(slot) {} }
                try await FetchExchange(backend: backend, logger: logger).run(exchange, request.body, to: &writer)
            })
    }

    @Sendable func receive(_ request: Request, _ context: PanelContext) async throws -> Response {
        let (exchange, slot, grant) = try await self.exchange(.receive, request, context)
        guard !exchange.isCompressed else {
            throw GitRefusal(status: .unsupportedMediaType, text: "A push is not sent compressed.")
        }
        let logger = context.logger
        // The body is written after the request's handling has returned, and with it the binding of its trace.
        let trace = TraceContext.current
        return Response(
            status: .ok, headers: Self.headers(type: "application/x-git-receive-pack-result"),
            body: ResponseBody { writer in
                try await TraceContext.$current.withValue(trace) {
                    try await push.run(exchange, request.body, by: grant.user, slot: slot, logger: logger, to: &writer)
                }
            })
    }

    private func exchange(
        _ service: GitExchange.Service, _ request: Request, _ context: PanelContext
    ) async throws -> (GitExchange, Slot, GitAccess.Grant) {
        let grant = try await self.grant(service, request, context)
        guard request.headers[.contentType] == "application/x-\(service.rawValue)-request" else {
            throw GitRefusal(status: .unsupportedMediaType, text: "This is not a request of Git's.")
        }
        var exchange = GitExchange(
            service: service, part: .exchange, app: grant.app, user: grant.user?.rawValue ?? "builder",
            protocolVersion: try Self.protocolVersion(request))
        exchange.contentLength = request.headers[.contentLength].flatMap { Int($0) }
        switch request.headers[.contentEncoding] {
        case nil, "identity": break
        case "gzip", "x-gzip": exchange.isCompressed = true
        case let other?:
            throw GitRefusal(
                status: .unsupportedMediaType, text: "The encoding \(other.prefix(40)) is not understood.")
        }
        if let length = exchange.contentLength, length > PanelLimits.gitRequestBytesMax {
            throw GitRefusal(
                status: .contentTooLarge,
                text: "A push has at most \(PanelLimits.repositoryInputBytesMax >> 20) MB: push fewer commits at a "
                    + "time, and keep large files out of the repository.")
        }
        try await repositories.ensure(grant.app)
        return (exchange, try takeSlot(), grant)
    }

    private func grant(
        _ service: GitExchange.Service, _ request: Request, _ context: PanelContext
    ) async throws -> GitAccess.Grant {
        try await access.grant(
            service == .receive ? .pushCode : .fetchCode, organisation: context.parameters.require("org"),
            app: context.parameters.require("app"), request: request)
    }

    private func takeSlot() throws -> Slot {
        guard let slot = processes.take() else {
            throw GitRefusal(Problem.unavailable("The panel is busy with other Git requests: try again in a moment."))
        }
        return slot
    }

    static func headers(type: String) -> HTTPFields {
        [.contentType: type, .cacheControl: "no-cache, max-age=0, must-revalidate"]
    }

    private static let protocolHeader = HTTPField.Name("Git-Protocol")

    /// Becomes an environment variable, so only what Git sends is let through.
    static func protocolVersion(_ request: Request) throws -> String? {
        guard let name = protocolHeader, let value = request.headers[name] else { return nil }
        guard value.utf8.count <= 100,
            value.utf8.allSatisfy({
                (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x3d || $0 == 0x3a
            })
        else { throw GitRefusal(status: .badRequest, text: "The Git-Protocol header cannot be understood.") }
        return value
    }
}
