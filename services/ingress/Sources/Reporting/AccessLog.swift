// SPDX-License-Identifier: Apache-2.0
import Domain
import Glibc
import NIOCore

/// Requests as JSON lines on standard error, in the shape of the process's other log lines.
enum AccessLog {
    /// Writes the lines of many requests with few calls.
    static func write(_ entries: [AccessEntry], service: String) {
        guard !entries.isEmpty else { return }
        var text: [UInt8] = []
        text.reserveCapacity(entries.count * 320)
        let (wallNow, now) = (Timestamp.now(), NIODeadline.now())
        for entry in entries {
            let at = Timestamp(microseconds: wallNow.microseconds - (now - entry.endedAt).nanoseconds / 1000)
            append(entry, at: at, service: service, to: &text)
        }
        var start = 0
        while start < text.count {
            let written = text.withUnsafeBytes { bytes -> Int in
                let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
                return Glibc.write(2, rest.baseAddress, rest.count)
            }
            // A log that cannot be written must not stop the service.
            guard written > 0 || errno == EINTR else { return }
            start += max(0, written)
        }
    }

    static func append(_ entry: AccessEntry, at time: Timestamp, service: String, to text: inout [UInt8]) {
        text += "{\"time\":\"\(time.rfc3339)\",\"level\":\"info\",\"service\":\"\(service)\"".utf8
        text += ",\"logger\":\"access\",\"message\":\"request\"".utf8
        add("client", entry.client, to: &text)
        add("method", entry.method, to: &text)
        add("host", entry.hostname, to: &text)
        add("path", entry.path, to: &text)
        text += ",\"status\":\(entry.status),\"bytes_in\":\(entry.bytesIn),\"bytes_out\":\(entry.bytesOut)".utf8
        text += ",\"duration_us\":\(entry.duration.nanoseconds / 1000)".utf8
        add("request_id", entry.requestID, to: &text)
        add("instance", entry.instance?.rawValue ?? "", to: &text)
        if entry.retries > 0 { text += ",\"retries\":\(entry.retries)".utf8 }
        add("cause", entry.cause ?? "", to: &text)
        text += "}\n".utf8
    }

    private static func add(_ name: StaticString, _ value: String, to text: inout [UInt8]) {
        if value.isEmpty { return }
        text += ",\"\(name)\":\"".utf8
        for byte in value.utf8 {
            // Whatever comes from outside was checked to be visible ASCII.
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { text.append(UInt8(ascii: "\\")) }
            text.append(byte < ASCII.space ? ASCII.space : byte)
        }
        text.append(UInt8(ascii: "\""))
    }
}
