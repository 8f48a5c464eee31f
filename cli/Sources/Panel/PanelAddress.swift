// SPDX-License-Identifier: Apache-2.0

/// Where a panel answers: scheme, host, port and perhaps a path it lives under, in one normal form.
struct PanelAddress: Hashable, Sendable, CustomStringConvertible {
    static let rule = "an address with http:// or https:// and a host, such as https://panel.example.com"

    let scheme: String
    let host: String
    /// `nil` for the scheme's own port.
    let port: Int?
    /// Without a slash at its end; empty for most panels.
    let path: String

    /// `nil` when the text is not `rule`. A user, password, query or fragment is refused, not dropped.
    init?(_ text: String) {
        guard let separator = text.firstRange(of: "://") else { return nil }
        let scheme = text[..<separator.lowerBound].lowercased()
        guard scheme == "http" || scheme == "https" else { return nil }
        let rest = text[separator.upperBound...]
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        guard let (host, port) = Self.hostAndPort(rest[..<end]) else { return nil }
        var path = rest[end...]
        while path.last == "/" { path.removeLast() }
        guard path.utf8.allSatisfy({ (0x21...0x7e).contains($0) }), !path.contains("?"), !path.contains("#") else {
            return nil
        }
        self.scheme = scheme
        self.host = host
        self.port = port == Self.defaultPort(scheme) ? nil : port
        self.path = String(path)
    }

    /// Without the path: what decides whether a credential may be given away.
    var origin: String {
        "\(scheme)://\(host)" + (port.map { ":\($0)" } ?? "")
    }

    var description: String { origin + path }

    /// A token sent to it in the clear stays on this machine.
    var isLoopback: Bool {
        host == "localhost" || host.hasSuffix(".localhost") || host.hasPrefix("127.") || host == "[::1]"
    }

    private static func defaultPort(_ scheme: String) -> Int {
        scheme == "https" ? 443 : 80
    }

    private static func hostAndPort(_ authority: Substring) -> (String, Int?)? {
        let host: Substring
        var tail: Substring
        if authority.first == "[" {
            guard let bracket = authority.firstIndex(of: "]") else { return nil }
            host = authority[...bracket]
            tail = authority[authority.index(after: bracket)...]
            guard host.count > 2, host.dropFirst().dropLast().allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." })
            else { return nil }
        } else {
            let colon = authority.firstIndex(of: ":") ?? authority.endIndex
            host = authority[..<colon]
            tail = authority[colon...]
            guard !host.isEmpty, host.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0)) })
            else { return nil }
        }
        if tail.isEmpty { return (host.lowercased(), nil) }
        guard tail.removeFirst() == ":", tail.allSatisfy({ ("0"..."9").contains($0) }), let port = Int(tail),
            (1...65_535).contains(port)
        else { return nil }
        return (host.lowercased(), port)
    }
}
