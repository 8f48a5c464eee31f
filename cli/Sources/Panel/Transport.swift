// SPDX-License-Identifier: Apache-2.0

enum RequestMethod: String, Sendable, Hashable {
    case get = "GET"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
}

/// A request as it goes over the wire.
struct WireRequest: Sendable, Equatable {
    var method: RequestMethod
    var url: String
    var headers: [String: String] = [:]
    var body: [UInt8]?
}

/// An answer with its whole body.
struct WireResponse: Sendable, Equatable {
    var status: Int
    /// By lower-case name; the first of several values.
    var headers: [String: String] = [:]
    var body: [UInt8] = []

    var isSuccess: Bool { (200..<300).contains(status) }
}

/// No answer, or not all of it.
struct TransportFailure: Error, Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        /// The request certainly was not received.
        case notConnected
        /// The request may have been received and acted on.
        case interrupted
        /// Connected, but no byte came for `CLILimits.readTimeout`.
        case idle
        /// The answer is larger than `CLILimits.responseBytesMax`.
        case tooLarge
    }

    var kind: Kind
    var reason: String
}

enum StreamControl: Sendable {
    case proceed
    case stop
}

/// HTTP, as much of it as the client needs.
protocol Transport: Sendable {
    /// - Throws: `TransportFailure`.
    func send(_ request: WireRequest) async throws -> WireResponse

    /// Hands over a successful answer's body piece by piece until it ends or `receive` says stop; the response returned
    /// then has an empty body. Any other answer is returned with its body, and `receive` is not called.
    ///
    /// - Throws: `TransportFailure`, and what `receive` throws.
    func stream(
        _ request: WireRequest, receive: ([UInt8]) async throws -> StreamControl
    ) async throws -> WireResponse
}
