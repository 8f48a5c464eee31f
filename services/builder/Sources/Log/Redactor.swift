// SPDX-License-Identifier: Apache-2.0

/// Replaces secrets in text that people get to read.
struct Redactor: Sendable {
    static let replacement = "[redacted]"
    /// Shorter values occur by chance everywhere, and hiding them would tell where they do.
    static let lengthMin = 4

    private let needles: [String]

    /// - Parameter secrets: of one with several lines each line is hidden too, since output comes line by line.
    init(_ secrets: [String] = []) {
        let lines = secrets.flatMap { secret in
            [secret] + secret.split(whereSeparator: \.isNewline).map(String.init)
        }
        // Longest first: a secret may hold another one.
        needles = Set(lines.filter { $0.utf8.count >= Self.lengthMin })
            .sorted { ($0.utf8.count, $0) > ($1.utf8.count, $1) }
    }

    func redact(_ text: String) -> String {
        var text = text
        for needle in needles where text.contains(needle) {
            text = text.replacing(needle, with: Self.replacement)
        }
        return text
    }
}
