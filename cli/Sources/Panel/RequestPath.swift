// SPDX-License-Identifier: Apache-2.0

/// A path of the panel's API, its segments percent-encoded.
struct RequestPath: Hashable, Sendable, CustomStringConvertible {
    let description: String

    init(_ segments: String...) {
        description = Self.text(segments)
    }

    private init(text: String) {
        description = text
    }

    func appending(_ segments: String...) -> RequestPath {
        RequestPath(text: description + Self.text(segments))
    }

    static func organisation(_ name: String) -> RequestPath { RequestPath("v1", "organisations", name) }

    static func app(_ app: AppReference) -> RequestPath { RequestPath("v1", "apps", app.organisation, app.name) }

    static func environment(_ environment: EnvironmentReference) -> RequestPath {
        app(environment.app).appending("environments", environment.name)
    }

    static func deployment(_ id: String, of environment: EnvironmentReference) -> RequestPath {
        self.environment(environment).appending("deployments", id)
    }

    private static func text(_ segments: [String]) -> String {
        segments.map { "/" + PercentEncoding.encode($0) }.joined()
    }
}

/// One name and value behind a path's question mark.
struct QueryItem: Hashable, Sendable {
    let name: String
    let value: String

    init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    /// Empty for no items, else with the question mark.
    static func text(_ items: [QueryItem]) -> String {
        if items.isEmpty { return "" }
        return "?"
            + items.map { PercentEncoding.encode($0.name) + "=" + PercentEncoding.encode($0.value) }
            .joined(separator: "&")
    }
}

enum PercentEncoding {
    private static let digits = Array("0123456789ABCDEF")

    /// Keeps the unreserved characters of RFC 3986, section 2.3, and nothing else.
    static func encode(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            if isUnreserved(byte) {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                result.append("%")
                result.append(digits[Int(byte >> 4)])
                result.append(digits[Int(byte & 15)])
            }
        }
        return result
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: true
        default: false
        }
    }
}
