// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import HTTPTypes
import Hummingbird
import Logging

/// The outermost layer of every request: its id, its line in the access log, headers that every answer has, and the
/// answer to methods that no route knows.
struct PanelResponder<Inner: HTTPResponder>: HTTPResponder where Inner.Context == PanelContext {
    typealias Context = PanelContext
    let inner: Inner
    let table: RouteTable

    func respond(to request: Request, context: PanelContext) async throws -> Response {
        var context = context
        context.requestID = RequestIdentifier.of(request.headers)
        context.logger[metadataKey: "request_id"] = "\(context.requestID)"
        let trace = RequestTrace.of(request.headers)
        context.logger[metadataKey: "trace_id"] = "\(trace.traceID)"
        let started = ContinuousClock.now
        var response: Response
        if let refusal = refusal(of: request) {
            response = refusal.response(requestID: context.requestID, path: request.uri.path)
        } else {
            do {
                response = try await TraceContext.$current.withValue(trace) { [context] in
                    try await inner.respond(to: request, context: context)
                }
            } catch {
                // Middleware has turned everything it knows into a problem; this is what it does not know.
                context.logger.error("request failed", metadata: ["error": "\(error)"])
                response = Problem.internalError().response(requestID: context.requestID, path: request.uri.path)
            }
        }
        SecurityHeaders.add(to: &response.headers)
        response.headers[RequestIdentifier.header] = context.requestID
        context.logger.info(
            "request",
            metadata: [
                "method": "\(request.method.rawValue)", "route": "\(context.endpointPath ?? "none")",
                "status": "\(response.status.code)",
                "duration_ms": "\((ContinuousClock.now - started).microseconds / 1000)",
            ])
        return response
    }

    private func refusal(of request: Request) -> Problem? {
        // Metrics are labelled with the method: a sender must not be able to make up labels.
        guard KnownMethods.all.contains(request.method) else {
            return Problem(
                status: .notImplemented, code: "method-unknown", title: "Unknown method",
                detail: "the panel does not know this method")
        }
        let methods = table.methods(at: request.uri.path)
        if methods.isEmpty { return nil }
        if methods.contains(request.method) { return nil }
        if request.method == .head, methods.contains(.get) { return nil }
        let allowed = methods.map(\.rawValue).sorted().joined(separator: ", ")
        return Problem(
            status: .methodNotAllowed, code: "method-not-allowed", title: "Method not allowed",
            detail: "this address answers to \(allowed)", headers: [.allow: allowed])
    }
}

enum KnownMethods {
    static let all: Set<HTTPRequest.Method> = [.get, .head, .post, .put, .patch, .delete, .options]
}

/// What browsers are told about every answer.
enum SecurityHeaders {
    private static let fields: [(name: String, value: String)] = [
        ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ]
    private static let known: [(HTTPField.Name, String)] = fields.compactMap { field in
        HTTPField.Name(field.name).map { ($0, field.value) }
    }

    static func add(to headers: inout HTTPFields) {
        for (name, value) in known where headers[name] == nil { headers[name] = value }
    }
}
