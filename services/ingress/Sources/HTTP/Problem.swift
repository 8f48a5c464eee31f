// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// An answer of the ingress's own: what went wrong, for the client, and its name in the log.
struct Problem: Error, Equatable, Sendable {
    let status: Int
    /// Stable, for logs and metrics.
    let cause: String
    let text: String

    init(_ status: Int, _ cause: String, _ text: String) {
        self.status = status
        self.cause = cause
        self.text = text
    }

    init(_ error: HeadError) {
        self.init(error.status, "bad_request", "The request was refused: \(error.rawValue).")
    }

    static let headTimeout = Problem(408, "head_timeout", "The request's head did not arrive in time.")
    static let bodyTimeout = Problem(408, "body_timeout", "The request's body stopped arriving.")
    static let unknownHost = Problem(404, "unknown_host", "No application answers at this hostname.")
    static let noInstances = Problem(503, "no_instances", "The application has no running instance at the moment.")
    static let routesNotLoaded = Problem(503, "routes_not_loaded", "The routes are not loaded yet. Try again soon.")
    static let upstreamBusy = Problem(503, "upstream_busy", "The application has too many requests in progress.")
    static let tooManyConnections = Problem(503, "too_many_connections", "There are too many open connections.")
    static let connectFailed = Problem(502, "connect_failed", "The application could not be reached.")
    static let connectTimeout = Problem(504, "connect_timeout", "The application could not be reached in time.")
    static let upstreamClosed = Problem(502, "upstream_closed", "The application closed the connection unanswered.")
    static let badResponse = Problem(502, "bad_response", "The application sent a malformed response.")
    static let responseTimeout = Problem(504, "response_timeout", "The application did not answer in time.")

    /// - Parameter isToHead: the response is to a HEAD: the body is described and not sent.
    func write(to out: inout ByteBuffer, requestID: String?, closes: Bool, isToHead: Bool, keepAlive10: Bool) {
        out.writeString("HTTP/1.1 \(status) \(Self.reason(status))\r\n")
        out.writeStaticString("Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: ")
        out.writeString("\(text.utf8.count + 1)\r\n")
        if status == 503 { out.writeStaticString("Retry-After: 1\r\n") }
        if status == 405 { out.writeStaticString("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n") }
        if let requestID { out.writeString("X-Request-Id: \(requestID)\r\n") }
        if closes {
            out.writeStaticString("Connection: close\r\n")
        } else if keepAlive10 {
            out.writeStaticString("Connection: keep-alive\r\n")
        }
        out.writeStaticString("\r\n")
        if !isToHead {
            out.writeString(text)
            out.writeStaticString("\n")
        }
    }

    static func reason(_ status: Int) -> StaticString {
        switch status {
        case 400: "Bad Request"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 431: "Request Header Fields Too Large"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: "Error"
        }
    }
}
