// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// What Git asks a credential helper, and what it is told.
/// Source: gitcredentials(7) and git-credential(1), "INPUT/OUTPUT FORMAT".
struct CredentialRequest: Equatable, Sendable {
    var scheme: String?
    var host: String?

    /// Lines of `key=value` up to an empty one; keys of no interest are passed over.
    init(_ text: String) {
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty { break }
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "protocol": scheme = String(parts[1])
            case "host": host = String(parts[1])
            default: break
            }
        }
    }

    /// - Returns: lines for Git; `nil` when the host is not the panel, so that Git asks elsewhere.
    func answer(for login: Login) -> String? {
        guard let scheme, let host, let asked = PanelAddress("\(scheme)://\(host)"),
            asked.origin == login.address.origin
        else { return nil }
        return "username=slipway\npassword=\(login.token)"
    }
}

enum CredentialHelper {
    /// The value of Git's `credential.<url>.helper` that runs this very program.
    static func configurationValue() -> String {
        let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return "!\(ShellQuoting.quote(path ?? "slipway")) git-credential"
    }
}

enum ShellQuoting {
    /// One word for a POSIX shell.
    static func quote(_ text: String) -> String {
        let isPlain =
            !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2b...0x2f, 0x3a, 0x40, 0x5f: true
                default: false
                }
            }
        return isPlain ? text : "'" + text.replacing("'", with: #"'\''"#) + "'"
    }
}
