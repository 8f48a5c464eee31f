// SPDX-License-Identifier: Apache-2.0

/// The Git endpoint of one app on one panel.
struct GitRemote: Hashable, Sendable {
    /// What the remote is called in a working copy.
    static let name = "slipway"

    let panel: PanelAddress
    let app: AppReference

    init(panel: PanelAddress, app: AppReference) {
        self.panel = panel
        self.app = app
    }

    /// Reads `<panel>/git/<organisation>/<app>.git`; a user name or password before the host is passed over.
    init?(url: String) {
        guard let scheme = url.firstRange(of: "://") else { return nil }
        var rest = url[scheme.upperBound...]
        let authority = rest[..<(rest.firstIndex(of: "/") ?? rest.endIndex)]
        if let at = authority.lastIndex(of: "@") { rest = rest[rest.index(after: at)...] }
        var parts = rest.split(separator: "/", omittingEmptySubsequences: false)
        if parts.last?.isEmpty == true { parts.removeLast() }
        guard parts.count >= 4, parts[parts.count - 3] == "git", let last = parts.last else { return nil }
        let name = last.hasSuffix(".git") ? last.dropLast(4) : last
        let base = parts.dropLast(3).joined(separator: "/")
        guard let app = AppReference("\(parts[parts.count - 2])/\(name)"),
            let panel = PanelAddress(String(url[..<scheme.upperBound]) + base)
        else { return nil }
        self.panel = panel
        self.app = app
    }

    var url: String { "\(panel)/git/\(app).git" }
}
