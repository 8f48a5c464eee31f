// SPDX-License-Identifier: Apache-2.0
import Crypto
import FoundationEssentials

/// The names applications answer at.
enum Hostname {
    private static let labelBytesMax = 63
    private static let nameBytesMax = 253

    /// - Parameter attempt: 1 for the plain name; from 2 on, a number tells it from those that are taken.
    static func candidate(
        app: String, organisation: String, environment: String, domain: String, attempt: Int
    ) -> String {
        let parts = environment == AppEnvironment.mainName ? [app, organisation] : [environment, app, organisation]
        let suffix = attempt == 1 ? "" : "-\(attempt)"
        return shortened(parts.joined(separator: "-"), to: labelBytesMax - suffix.utf8.count) + suffix + "." + domain
    }

    /// A DNS label has at most 63 characters; a longer one is cut and told from others by a piece of its hash.
    private static func shortened(_ label: String, to length: Int) -> String {
        guard label.utf8.count > length else { return label }
        let hash = SHA256.hash(data: Data(label.utf8)).prefix(4).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
        var head = String(label.prefix(length - hash.count - 1))
        while head.hasSuffix("-") { head.removeLast() }
        return "\(head)-\(hash)"
    }

    static func isDomain(_ text: String) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        return text.utf8.count <= nameBytesMax - labelBytesMax - 1
            && labels.allSatisfy { label in
                (1...labelBytesMax).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.utf8.allSatisfy {
                        (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d
                    }
            }
    }
}
