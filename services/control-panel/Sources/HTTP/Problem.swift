// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird

/// What went wrong with a request, for its sender: RFC 9457 problem details.
struct Problem: Error, Sendable, HTTPResponseError {
    struct Field: Encodable, Sendable, Hashable {
        var field: String
        var message: String
    }

    var status: HTTPResponse.Status
    /// Stable and in kebab-case: the last part of the problem's type.
    var code: String
    var title: String
    /// The cause and the fix.
    var detail: String
    var errors: [Field] = []
    var headers: HTTPFields = [:]

    /// The problem details as JSON.
    func body(requestID: String, path: String?) -> String {
        struct Body: Encodable {
            var type: String
            var title: String
            var status: Int
            var detail: String
            var instance: String?
            var errors: [Field]?
            var requestId: String
        }
        let body = Body(
            type: "urn:slipway:problem:\(code)", title: title, status: status.code, detail: detail, instance: path,
            errors: errors.isEmpty ? nil : errors, requestId: requestID)
        // Strings and numbers always encode.
        return (try? Answer.encode(body)) ?? "{}"
    }

    func response(requestID: String, path: String?) -> Response {
        Answer.text(
            body(requestID: requestID, path: path), type: "application/problem+json", status: status,
            headers: headers)
    }

    func response(from request: Request, context: some RequestContext) throws -> Response {
        response(
            requestID: (context as? PanelContext)?.requestID ?? RequestIdentifier.unknown, path: request.uri.path)
    }
}

extension Problem {
    static func malformed(_ detail: String, errors: [Field] = []) -> Problem {
        Problem(status: .badRequest, code: "malformed", title: "Malformed request", detail: detail, errors: errors)
    }

    static func invalid(_ errors: [Field]) -> Problem {
        let named = errors.map { "\($0.field): \($0.message)" }.joined(separator: "; ")
        return Problem(
            status: .unprocessableContent, code: "invalid", title: "Invalid value", detail: named, errors: errors)
    }

    static func unauthenticated(_ detail: String) -> Problem {
        Problem(
            status: .unauthorized, code: "unauthenticated", title: "Not signed in", detail: detail,
            headers: [.wwwAuthenticate: "Bearer realm=\"Slipway\""])
    }

    static func forbidden(_ permission: Permission, in scope: some Scope) -> Problem {
        if case .isOperator = permission.need {
            return Problem(
                status: .forbidden, code: "forbidden", title: "Not permitted",
                detail: "this is for operators of the installation, and you are none: ask one of them. Whoever runs "
                    + "the panel makes one with `slipway-panel create-user --operator`")
        }
        return forbidden(permission, role: scope.role, organisation: scope.organisationName ?? "your account")
    }

    static func forbidden(_ permission: Permission, role: Role?, organisation: String) -> Problem {
        let needed = permission.roleNeeded.map { "the role \($0.rawValue)" } ?? "another role"
        return Problem(
            status: .forbidden, code: "forbidden", title: "Not permitted",
            detail: "this needs \(needed) in \(organisation)"
                + (role.map { ", and you are a \($0.rawValue)" } ?? "") + ": ask an owner of \(organisation)")
    }

    /// Also the answer about what exists in organisations that the caller is not a member of.
    static func notFound(_ what: String) -> Problem {
        Problem(
            status: .notFound, code: "not-found", title: "Not found",
            detail: "there is no \(what), or you may not see it")
    }

    static func conflict(_ code: String, _ detail: String) -> Problem {
        Problem(status: .conflict, code: code, title: "Conflict", detail: detail)
    }

    static func taken(_ field: String, _ message: String) -> Problem {
        Problem(
            status: .conflict, code: "already-exists", title: "Already exists", detail: message,
            errors: [Field(field: field, message: message)])
    }

    static func limit(_ detail: String) -> Problem {
        Problem(status: .unprocessableContent, code: "limit-reached", title: "Limit reached", detail: detail)
    }

    static func tooLarge(bytesMax: Int) -> Problem {
        Problem(
            status: .contentTooLarge, code: "too-large", title: "Request too large",
            detail: "the body of a request has at most \(bytesMax) bytes")
    }

    static func unavailable(_ detail: String) -> Problem {
        Problem(
            status: .serviceUnavailable, code: "unavailable", title: "Unavailable", detail: detail,
            headers: [.retryAfter: "2"])
    }

    static func internalError() -> Problem {
        Problem(
            status: .internalServerError, code: "internal", title: "Internal error",
            detail: "something went wrong here: try again, and give the requestId when you report it")
    }

    static let tooSlow = Problem(
        status: .gatewayTimeout, code: "timeout", title: "Timeout",
        detail: "there was no answer within \(PanelLimits.answerMax): try again")
}
