// SPDX-License-Identifier: Apache-2.0

/// What may be said to Git.
enum ReferenceName {
    /// The rules of git-check-ref-format(1) for a branch, in ASCII or any letters.
    static func isBranch(_ text: String) -> Bool {
        guard !text.isEmpty, text.utf8.count <= PanelLimits.branchBytesMax, !text.hasPrefix("-"),
            !text.hasSuffix("."), text != "@", text != "HEAD", !text.contains(".."), !text.contains("@{")
        else { return false }
        let forbidden = Set(" ~^:?*[\\".unicodeScalars)
        guard text.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7f && !forbidden.contains($0) }) else {
            return false
        }
        return text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
            !$0.isEmpty && !$0.hasPrefix(".") && !$0.hasSuffix(".lock")
        }
    }

    /// A whole or shortened commit id.
    static func isCommit(_ text: String) -> Bool {
        (7...64).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x66).contains($0) || (0x41...0x46).contains($0)
            }
    }
}
