// SPDX-License-Identifier: Apache-2.0

/// The forms that names, paths and versions must have.
enum Rules {
    static func isVariableName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !isDigit(first), name.utf8.count <= 128 else { return false }
        return name.utf8.allSatisfy {
            isDigit($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x5f
        }
    }

    /// Names that the platform sets itself.
    static func isReservedVariable(_ name: String) -> Bool {
        name == "PORT" || name.hasPrefix("SLIPWAY_")
    }

    /// A path below the repository's root, without `.` or `..`; a leading `./` is taken off.
    static func repositoryPath(_ text: String) -> String? {
        let path = text.hasPrefix("./") ? String(text.dropFirst(2)) : text
        guard !path.isEmpty, path.utf8.count <= ManifestLimits.pathBytesMax, isPrintable(path), !path.hasPrefix("/")
        else { return nil }
        let components = path.split(separator: "/", omittingEmptySubsequences: false)
        return components.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." } ? path : nil
    }

    /// Why a place cannot be mounted; `nil` when it can.
    static func mountProblem(_ path: String) -> String? {
        guard path.hasPrefix("/") else { return "expected an absolute path, such as /var/cache/app" }
        guard path != "/" else { return "the root cannot be a mount: name the directory that must be writable" }
        let components = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        guard path.utf8.count <= ManifestLimits.pathBytesMax, isPrintable(path), !path.contains(":"),
            components.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." })
        else {
            return "expected a plain path without \"..\", \".\", \"//\", a colon, or a slash at its end"
        }
        if let first = components.first, ["proc", "sys", "dev"].contains(first) {
            return "/\(first) belongs to the system: choose another place"
        }
        return nil
    }

    /// `/` and visible ASCII after it, as it goes into a request line.
    static func isRequestPath(_ text: String) -> Bool {
        text.hasPrefix("/") && text.utf8.count <= ManifestLimits.pathBytesMax
            && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }

    /// One to `parts` numbers of at most `digits` digits, separated by dots.
    static func isVersion(_ text: Substring, parts range: ClosedRange<Int>, digits: Int = 3) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return range.contains(parts.count)
            && parts.allSatisfy { (1...digits).contains($0.utf8.count) && $0.utf8.allSatisfy(isDigit) }
    }

    static func isPrintable(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
