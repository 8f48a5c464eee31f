// SPDX-License-Identifier: Apache-2.0
import Domain
import HTTPTypes
import Hummingbird

/// Finds out who sends a request. A request without a token passes on without a user; a wrong token ends here.
struct AuthenticationMiddleware: RouterMiddleware {
    typealias Context = PanelContext
    let accounts: AccountStore

    func handle(
        _ request: Request, context: PanelContext, next: (Request, PanelContext) async throws -> Response
    ) async throws -> Response {
        guard let header = request.headers[.authorization] else { return try await next(request, context) }
        var context = context
        (context.user, context.token) = try await user(header)
        return try await next(request, context)
    }

    private func user(_ header: String) async throws -> (User, TokenSecret) {
        guard let text = Credentials(authorization: header)?.token else {
            throw Problem.unauthenticated("the Authorization header is not of the form `Bearer slp_…`")
        }
        guard let secret = TokenSecret(text) else {
            throw Problem.unauthenticated("that is no whole Slipway token: they begin with \(TokenSecret.prefix)")
        }
        switch try await accounts.holder(of: secret, now: .now()) {
        case .user(let user): return (user, secret)
        case .expired(let time):
            throw Problem.unauthenticated("the token expired at \(time): sign in again for a new one")
        case .unknown: throw Problem.unauthenticated("the token is unknown or was revoked: sign in again for a new one")
        }
    }
}

/// A token as HTTP carries it: as a bearer token, or as the password of any user name, which is how Git sends it.
struct Credentials: Sendable {
    let token: String

    init?(authorization header: String) {
        guard let space = header.firstIndex(of: " ") else { return nil }
        let value = header[header.index(after: space)...].trimmingPrefix(" ")
        switch header[..<space].lowercased() {
        case "bearer": token = String(value)
        case "basic":
            guard let data = Base64.decode(value), let text = String(validating: data, as: UTF8.self),
                let colon = text.firstIndex(of: ":")
            else { return nil }
            token = String(text[text.index(after: colon)...])
        default: return nil
        }
        if token.isEmpty { return nil }
    }
}
