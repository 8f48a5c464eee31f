// SPDX-License-Identifier: Apache-2.0

/// A set of hosts by their slots, one bit each, so that rules and capacity are looked at for 64 hosts at once.
///
/// Sets of different length go together: what is beyond the end of one is not in it.
struct HostSet: Sendable {
    private(set) var words: [UInt64] = []

    static let wordBits = 64

    init() {}

    init(_ slots: some Sequence<Int>) {
        for slot in slots { insert(slot) }
    }

    var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    func contains(_ slot: Int) -> Bool {
        let word = slot / Self.wordBits
        return word < words.count && words[word] & Self.bit(slot) != 0
    }

    mutating func insert(_ slot: Int) {
        let word = slot / Self.wordBits
        if word >= words.count { words += repeatElement(0, count: word + 1 - words.count) }
        words[word] |= Self.bit(slot)
    }

    mutating func remove(_ slot: Int) {
        let word = slot / Self.wordBits
        if word < words.count { words[word] &= ~Self.bit(slot) }
    }

    mutating func set(_ slot: Int, to isMember: Bool) {
        if isMember { insert(slot) } else { remove(slot) }
    }

    mutating func formUnion(_ other: HostSet) {
        if other.words.count > words.count {
            words += repeatElement(0, count: other.words.count - words.count)
        }
        for word in other.words.indices { words[word] |= other.words[word] }
    }

    mutating func formIntersection(_ other: HostSet) {
        if words.count > other.words.count { words.removeLast(words.count - other.words.count) }
        for word in words.indices { words[word] &= other.words[word] }
    }

    mutating func subtract(_ other: HostSet) {
        for word in 0..<Swift.min(words.count, other.words.count) { words[word] &= ~other.words[word] }
    }

    func intersection(_ other: HostSet) -> HostSet {
        var result = self
        result.formIntersection(other)
        return result
    }

    func subtracting(_ other: HostSet) -> HostSet {
        var result = self
        result.subtract(other)
        return result
    }

    /// The member with `rank` members below it. There have to be more than that.
    func member(at rank: Int) -> Int? {
        var rest = rank
        for (index, word) in words.enumerated() {
            let bits = word.nonzeroBitCount
            if rest < bits {
                var word = word
                for _ in 0..<rest { word &= word - 1 }
                return index * Self.wordBits + word.trailingZeroBitCount
            }
            rest -= bits
        }
        return nil
    }

    private static func bit(_ slot: Int) -> UInt64 { 1 << UInt64(slot % wordBits) }
}

extension HostSet: Sequence {
    /// Slots in ascending order.
    struct Iterator: IteratorProtocol {
        private let words: [UInt64]
        private var index = -1
        private var word: UInt64 = 0

        fileprivate init(_ words: [UInt64]) { self.words = words }

        mutating func next() -> Int? {
            while word == 0 {
                index += 1
                guard index < words.count else { return nil }
                word = words[index]
            }
            defer { word &= word - 1 }
            return index * HostSet.wordBits + word.trailingZeroBitCount
        }
    }

    func makeIterator() -> Iterator { Iterator(words) }

    var underestimatedCount: Int { 0 }
}

extension HostSet: Equatable {
    static func == (lhs: HostSet, rhs: HostSet) -> Bool { lhs.elementsEqual(rhs) }
}
