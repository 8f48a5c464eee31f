// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials
import Glibc
import Logging

/// One JSON object a line on standard error.
struct JSONLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    let service: String
    let label: String

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { $1 } }
        if let own = event.metadata { fields.merge(own) { $1 } }
        var line = "{\"time\":\"\(Timestamp.now().rfc3339)\",\"level\":\"\(event.level)\",\"service\":"
        line += Self.quoted(service) + ",\"logger\":" + Self.quoted(label)
        line += ",\"message\":" + Self.quoted("\(event.message)")
        if let error = event.error { line += ",\"error\":" + Self.quoted("\(error)") }
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
            line += "," + Self.quoted(key) + ":" + Self.quoted("\(value)")
        }
        line += "}\n"
        // One write per line: lines of several threads do not mix. A lost log line must not stop the service.
        line.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
    }

    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case let control where control.value < 0x20:
                let digits = String(control.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
