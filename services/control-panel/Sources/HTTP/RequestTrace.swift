// SPDX-License-Identifier: Apache-2.0
import Events
import HTTPTypes

/// The trace a request works for: whatever it causes, up to the last event, belongs to it.
enum RequestTrace {
    // The literal is a valid header name.
    static let header = HTTPField.Name("traceparent") ?? .from

    /// The sender's own, where it is valid; a new one otherwise, as W3C Trace Context asks.
    static func of(_ headers: HTTPFields) -> TraceContext {
        headers[header].flatMap { TraceContext(traceparent: $0) } ?? .root()
    }
}
