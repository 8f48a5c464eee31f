// SPDX-License-Identifier: Apache-2.0

/// A request's method, as far as the ingress treats methods differently.
enum Method: Equatable, Sendable {
    case get, head, post, put, delete, options, trace, patch, connect
    case other

    init(_ bytes: CheckedBytes, _ range: Range<Int>) {
        // Methods are case-sensitive: `get` is a method of its own.
        switch range.count {
        case 3 where bytes.equals(range, "GET"): self = .get
        case 3 where bytes.equals(range, "PUT"): self = .put
        case 4 where bytes.equals(range, "HEAD"): self = .head
        case 4 where bytes.equals(range, "POST"): self = .post
        case 5 where bytes.equals(range, "PATCH"): self = .patch
        case 5 where bytes.equals(range, "TRACE"): self = .trace
        case 6 where bytes.equals(range, "DELETE"): self = .delete
        case 7 where bytes.equals(range, "OPTIONS"): self = .options
        case 7 where bytes.equals(range, "CONNECT"): self = .connect
        default: self = .other
        }
    }

    /// Sending it twice has the effect of sending it once (RFC 9110, section 9.2.2).
    var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        case .post, .patch, .connect, .other: false
        }
    }

    /// For the log: a made-up method is not written out.
    var name: String {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .delete: "DELETE"
        case .options: "OPTIONS"
        case .trace: "TRACE"
        case .patch: "PATCH"
        case .connect: "CONNECT"
        case .other: "other"
        }
    }
}
