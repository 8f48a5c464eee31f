// SPDX-License-Identifier: Apache-2.0

/// The step that the container engine says it is at: `Step 3/8 : RUN pip install flask`.
struct BuildStep: Sendable, Hashable, CustomStringConvertible {
    let number: Int
    let total: Int
    let instruction: String

    init?(_ line: String) {
        guard line.hasPrefix("Step ") else { return nil }
        let rest = line.dropFirst(5)
        guard let separator = rest.firstRange(of: " : ") else { return nil }
        let counts = rest[..<separator.lowerBound].split(separator: "/")
        guard counts.count == 2, let number = Int(counts[0]), let total = Int(counts[1]) else { return nil }
        self.number = number
        self.total = total
        instruction = String(rest[separator.upperBound...])
    }

    var description: String { "step \(number) of \(total), \(LogText.cut(instruction, to: 200))" }

    /// The engine's own book-keeping, which explains no failure.
    static func isNoise(_ line: String) -> Bool {
        line.isEmpty || line.hasPrefix("Step ") || line.hasPrefix(" ---> ")
            || line.hasPrefix("Removing intermediate container ") || line.hasPrefix("Removed intermediate container ")
    }
}
