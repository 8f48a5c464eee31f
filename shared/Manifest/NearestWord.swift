// SPDX-License-Identifier: Apache-2.0

/// Finds what a mistyped word was meant to be.
enum NearestWord {
    /// Longer words are not compared: the work grows with the product of the lengths.
    private static let lengthMax = 64

    /// The closest of `words` when it is close enough to be a slip, the first of several that are equally close.
    static func to(_ word: String, among words: [String]) -> String? {
        guard word.utf8.count <= lengthMax else { return nil }
        let lowered = word.lowercased()
        let distances = words.map { (word: $0, distance: distance(lowered, $0.lowercased())) }
        guard let nearest = distances.min(by: { $0.distance < $1.distance }) else { return nil }
        return nearest.distance <= max(1, nearest.word.utf8.count / 3) ? nearest.word : nil
    }

    /// Levenshtein's edit distance of the UTF-8.
    static func distance(_ one: String, _ other: String) -> Int {
        let columns = Array(other.utf8)
        var previous = Array(0...columns.count)
        for (row, byte) in one.utf8.enumerated() {
            var current = [row + 1]
            for (column, candidate) in columns.enumerated() {
                let substitution = previous[column] + (byte == candidate ? 0 : 1)
                current.append(min(substitution, previous[column + 1] + 1, current[column] + 1))
            }
            previous = current
        }
        return previous[columns.count]
    }
}
