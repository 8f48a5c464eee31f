// SPDX-License-Identifier: Apache-2.0

/// Numbers with units as manifests write them. Whole numbers only: `1500ms`, not `1.5s`.
enum Quantity {
    /// More digits than any accepted value has, few enough that no unit overflows.
    private static let digitsMax = 9

    static func milliseconds(_ text: String) -> Int? {
        number(text, units: ["ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000])
    }

    /// `MB` and `MiB` are both 1 048 576 bytes.
    static func bytes(_ text: String) -> Int? {
        number(
            text,
            units: [
                "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
            ])
    }

    /// Cores with at most three decimals to thousandths of a core: `0.5` is 500.
    static func cpuMillis(_ text: String) -> Int? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = digits(parts[0]) else { return nil }
        guard parts.count == 2 else { return whole * 1_000 }
        guard parts[1].count <= 3, let fraction = digits(parts[1]) else { return nil }
        return whole * 1_000 + fraction * [100, 10, 1][parts[1].count - 1]
    }

    static func duration(_ milliseconds: Int) -> String {
        if milliseconds >= 60_000, milliseconds.isMultiple(of: 60_000) { return "\(milliseconds / 60_000)m" }
        if milliseconds.isMultiple(of: 1_000) { return "\(milliseconds / 1_000)s" }
        return "\(milliseconds)ms"
    }

    static func size(_ bytes: Int) -> String {
        bytes >= 1 << 30 ? "\(bytes >> 30)GB" : "\(bytes >> 20)MB"
    }

    private static func number(_ text: String, units: [String: Int]) -> Int? {
        let number = text.prefix { ("0"..."9").contains($0) }
        guard let value = digits(number), let unit = units[String(text.dropFirst(number.count))] else { return nil }
        return value * unit
    }

    /// One to nine ASCII digits.
    private static func digits(_ text: Substring) -> Int? {
        guard (1...digitsMax).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        return Int(text)
    }
}
