// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Writes heads for the other side: what belongs to the hop is left out, what the ingress knows is added, and
/// everything else is copied byte for byte in as few pieces as possible.
enum HeadRewriter {
    /// What the ingress says of the client's connection.
    struct Arrival: Equatable {
        var clientAddress: String
        var scheme: String
        var port: String
    }

    static func write(
        _ head: RequestHead, of bytes: CheckedBytes, from arrival: Arrival, requestID: String, to out: inout ByteBuffer
    ) {
        out.writeBytes(bytes.slice(head.methodName))
        out.writeInteger(ASCII.space)
        if head.target.isEmpty {
            out.writeStaticString(head.method == .options ? "*" : "/")
        } else if bytes[head.target.lowerBound] == ASCII.question {
            out.writeStaticString("/")
        }
        out.writeBytes(bytes.slice(head.target))
        out.writeStaticString(head.minorVersion >= 1 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n")
        if head.isAbsoluteForm {
            out.writeStaticString("Host: ")
            out.writeBytes(bytes.slice(head.authority))
            out.writeStaticString("\r\n")
        }
        copy(head.fields, of: bytes, to: &out) { field in
            switch field.kind {
            case .host: !head.isAbsoluteForm
            case .contentLength, .transferEncoding: true
            case .upgrade: head.isUpgrade
            case .expect: head.minorVersion >= 1
            case .connection, .hop, .forwarding, .requestID: false
            case .other: !head.connection.nominates(field.name, bytes)
            }
        }
        add("X-Forwarded-For: ", arrival.clientAddress, to: &out)
        add("X-Forwarded-Proto: ", arrival.scheme, to: &out)
        out.writeStaticString("X-Forwarded-Host: ")
        out.writeBytes(bytes.slice(head.authority))
        out.writeStaticString("\r\n")
        add("X-Forwarded-Port: ", arrival.port, to: &out)
        add("X-Request-Id: ", requestID, to: &out)
        if head.isUpgrade {
            out.writeStaticString("Connection: upgrade\r\n")
        } else if head.minorVersion == 0 {
            // Speaking the client's version keeps chunked bodies away from it; such connections are not kept.
            out.writeStaticString("Connection: close\r\n")
        }
        out.writeStaticString("\r\n")
    }

    /// What the client is told of its connection.
    enum Persistence: Equatable {
        /// HTTP/1.1 keeps connections unless told otherwise.
        case implied
        /// For HTTP/1.0.
        case keepAlive
        case close
    }

    static func write(
        _ head: ResponseHead, of bytes: CheckedBytes, requestID: String, persistence: Persistence,
        to out: inout ByteBuffer
    ) {
        out.writeStaticString("HTTP/1.1 ")
        out.writeBytes(bytes.slice(head.statusText))
        // The space before an empty reason is not optional (RFC 9112, section 4).
        out.writeStaticString(head.statusText.count == 3 ? " \r\n" : "\r\n")
        let mayBeFramed = head.status >= 200 && head.status != 204
        copy(head.fields, of: bytes, to: &out) { field in
            switch field.kind {
            case .contentLength, .transferEncoding: mayBeFramed
            case .upgrade: head.status == 101
            case .connection, .hop, .requestID: false
            case .other, .host, .expect, .forwarding: !head.connection.nominates(field.name, bytes)
            }
        }
        if !head.isInterim { add("X-Request-Id: ", requestID, to: &out) }
        if head.status == 101 {
            out.writeStaticString("Connection: upgrade\r\n")
        } else if !head.isInterim {
            switch persistence {
            case .implied: break
            case .keepAlive: out.writeStaticString("Connection: keep-alive\r\n")
            case .close: out.writeStaticString("Connection: close\r\n")
            }
        }
        out.writeStaticString("\r\n")
    }

    /// Neighbouring lines that stay are copied together.
    private static func copy(
        _ fields: [HeadField], of bytes: CheckedBytes, to out: inout ByteBuffer, where stays: (HeadField) -> Bool
    ) {
        var run: Range<Int>?
        for field in fields {
            if stays(field) {
                run = (run?.lowerBound ?? field.name.lowerBound)..<field.end
            } else if let whole = run {
                out.writeBytes(bytes.slice(whole))
                run = nil
            }
        }
        if let run { out.writeBytes(bytes.slice(run)) }
    }

    private static func add(_ name: StaticString, _ value: String, to out: inout ByteBuffer) {
        out.writeStaticString(name)
        out.writeString(value)
        out.writeStaticString("\r\n")
    }
}
