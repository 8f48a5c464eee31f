// SPDX-License-Identifier: Apache-2.0
import HTTPTypes

/// One event of a `text/event-stream` (WHATWG HTML, 9.2).
struct ServerSentEvent: Sendable, Equatable {
    var name: String
    var id: String?
    /// JSON, which has no line breaks.
    var data: String

    var text: String {
        var text = "event: \(name)\n"
        if let id { text += "id: \(id)\n" }
        return text + "data: \(data)\n\n"
    }

    /// Keeps proxies from closing a quiet stream; clients ignore it.
    static let heartbeat = comment("still here")

    /// Keeps a stream alive and moves the client's last event id on, over events that it did not ask for: an event
    /// without data is not dispatched.
    static func heartbeat(id: Int) -> String { ": still here\nid: \(id)\n\n" }

    static func comment(_ text: String) -> String { ": \(text)\n\n" }

    static let headers: HTTPFields = {
        var headers: HTTPFields = [.contentType: "text/event-stream", .cacheControl: "no-store"]
        // Tells buffering proxies to pass events on at once.
        if let name = HTTPField.Name("X-Accel-Buffering") { headers[name] = "no" }
        return headers
    }()

    // The literal is a valid header name.
    static let lastIDHeader = HTTPField.Name("Last-Event-ID") ?? .from
}
