// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird

/// What Git's user is told when a request is refused. Git shows the body of a plain text.
struct GitRefusal: Error, Sendable, HTTPResponseError {
    var status: HTTPResponse.Status
    var text: String
    var headers: HTTPFields = [:]

    func response(from request: Request, context: some RequestContext) throws -> Response {
        Answer.text(text + "\n", status: status, headers: headers)
    }

    static func signIn(_ text: String) -> GitRefusal {
        GitRefusal(
            status: .unauthorized, text: text, headers: [.wwwAuthenticate: "Basic realm=\"Slipway\""])
    }

    static func noApp(_ name: String) -> GitRefusal {
        GitRefusal(
            status: .notFound,
            text: "There is no app \(name), or your token may not see it. To create it: slipway app create \(name)")
    }

    init(_ problem: Problem) {
        self.init(status: problem.status, text: problem.detail)
        headers[.retryAfter] = problem.headers[.retryAfter]
    }

    init(status: HTTPResponse.Status, text: String, headers: HTTPFields = [:]) {
        self.status = status
        self.text = text
        self.headers = headers
    }
}
