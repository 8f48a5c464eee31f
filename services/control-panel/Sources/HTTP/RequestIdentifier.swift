// SPDX-License-Identifier: Apache-2.0
import HTTPTypes

/// Tells one request from all others in logs and answers.
enum RequestIdentifier {
    // The literal is a valid header name.
    static let header = HTTPField.Name("X-Request-Id") ?? .from
    static let unknown = "unknown"
    private static let bytesMax = 64

    /// The caller's own, where it is of harmless form, so that it can follow a request through its systems.
    static func of(_ headers: HTTPFields, using generator: inout some RandomNumberGenerator) -> String {
        if let given = headers[header], isValid(given) { return given }
        let digits = String(generator.next(), radix: 16)
        return "req_" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    static func of(_ headers: HTTPFields) -> String {
        var generator = SystemRandomNumberGenerator()
        return of(headers, using: &generator)
    }

    static func isValid(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= bytesMax
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x2d
                    || $0 == 0x2e || $0 == 0x5f
            }
    }
}
