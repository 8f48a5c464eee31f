// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird
import Postgres

/// The only way to add an endpoint to the API: each names the permission it needs and what its path means.
///
/// The scope is looked up as the caller may see it, the permission is checked against the caller's role in it, and
/// only then the handler runs.
struct Endpoints {
    let group: RouterGroup<AuthenticatedContext>
    let pool: PostgresPool

    func on<S: Scope>(
        _ method: HTTPRequest.Method, _ path: RouterPath, _ permission: Permission, in _: S.Type,
        _ handler: @escaping @Sendable (Call<S>) async throws -> Response
    ) {
        group.on(path, method: method) { [pool] request, context in
            try await withDeadline(PanelLimits.answerMax, orThrow: Problem.tooSlow) {
                let scope = try await S.find(context.parameters, for: context.user, in: pool)
                guard permission.isGranted(to: scope.standing) else { throw Problem.forbidden(permission, in: scope) }
                let authorization = StreamAuthorization {
                    try await Self.isGranted(permission, in: S.self, context, pool)
                }
                return try await handler(
                    Call(request: request, context: context, scope: scope, streamAuthorization: authorization))
            }
        }
    }

    /// Whether the token that a request came with gives the permission now.
    private static func isGranted<S: Scope>(
        _ permission: Permission, in _: S.Type, _ context: AuthenticatedContext, _ pool: PostgresPool
    ) async throws -> Bool {
        guard case .user(let user) = try await AccountStore(pool: pool).holder(of: context.token, now: .now()) else {
            return false
        }
        do {
            return permission.isGranted(to: try await S.find(context.parameters, for: user, in: pool).standing)
        } catch is Problem {
            // It is gone, or not to be seen any more.
            return false
        }
    }
}

/// One authorized request.
struct Call<S: Scope>: Sendable {
    let request: Request
    let context: AuthenticatedContext
    let scope: S
    let streamAuthorization: StreamAuthorization

    var user: User { context.user }

    /// The request's body, at most `PanelLimits.requestBodyBytesMax`.
    func body() async throws -> [UInt8] {
        Array(try await request.body.collect(upTo: PanelLimits.requestBodyBytesMax).readableBytesView)
    }

    func query(_ name: String) -> String? { request.uri.queryParameters[name[...]].map(String.init) }

    func flag(_ name: String) throws -> Bool {
        switch query(name) {
        case nil, "false": false
        case "true", "": true
        case let other?:
            throw Problem.invalid([.init(field: name, message: "is \"\(other)\", expected true or false")])
        }
    }

    func number(_ name: String, default fallback: Int, in range: ClosedRange<Int>) throws -> Int {
        guard let text = query(name) else { return fallback }
        guard let value = Int(text), range.contains(value) else {
            throw Problem.invalid([
                .init(
                    field: name,
                    message: "is \"\(text)\", expected a whole number from \(range.lowerBound) to \(range.upperBound)")
            ])
        }
        return value
    }

    /// A part of the path that the scope does not already stand for.
    func parameter(_ name: String) throws -> String { try context.parameters.require(name) }
}
