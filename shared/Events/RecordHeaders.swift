// SPDX-License-Identifier: Apache-2.0

/// The headers of a record, names and values, in the order in which they travel. A name may come twice: its last value
/// counts.
///
/// They lie in one piece of memory and become strings when they are asked for. Most of what it costs to hand over a
/// record would otherwise be strings and a hash table that few handlers look into.
public struct RecordHeaders: Sendable {
    public typealias Element = (key: String, value: String)

    /// For each header the sizes of name and value in bytes, 32 bits each, then name and value in UTF-8.
    private var packed: [UInt8] = []

    public init() {}

    public init(_ headers: some Sequence<Element>) {
        for (name, value) in headers { append(name, value) }
    }

    /// Leaves it to `write` to append headers of exactly `size` bytes: the sum of what `packedSize` says of each.
    public init(packedSize size: Int, _ write: (inout Writer) -> Void) {
        packed = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            var writer = Writer(space: UnsafeMutableRawBufferPointer(buffer))
            write(&writer)
            precondition(writer.used == size, "headers of another size than was said")
            count = size
        }
    }

    public static func packedSize(name: Int, value: Int) -> Int { sizesBytes + name + value }

    private static let sizesBytes = 2 * MemoryLayout<UInt32>.size

    /// Puts headers into place that were not made as strings.
    public struct Writer {
        fileprivate let space: UnsafeMutableRawBufferPointer
        fileprivate var used = 0

        /// Whatever is no UTF-8 becomes it, with replacement characters, when it is read.
        public mutating func append(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
            put(size: name.count)
            put(size: value.count)
            put(name)
            put(value)
        }

        private mutating func put(size: Int) {
            space.storeBytes(of: UInt32(size), toByteOffset: used, as: UInt32.self)
            used += MemoryLayout<UInt32>.size
        }

        private mutating func put(_ bytes: UnsafeRawBufferPointer) {
            UnsafeMutableRawBufferPointer(rebasing: space[used...]).copyMemory(from: bytes)
            used += bytes.count
        }
    }

    public var isEmpty: Bool { packed.isEmpty }

    /// How many there are; those whose name comes again count each time.
    public var count: Int { reduce(0) { count, _ in count + 1 } }

    /// Names and values together, in bytes.
    public var size: Int {
        var size = 0
        forEachEntry { name, value in size += name.count + value.count }
        return size
    }

    public var dictionary: [String: String] { Dictionary(lazy.map { ($0.key, $0.value) }) { _, last in last } }

    public subscript(name: String) -> String? {
        get {
            var name = name
            return name.withUTF8 { wanted in
                var found: String?
                forEachEntry { name, value in
                    if name.elementsEqual(wanted) { found = String(decoding: value, as: UTF8.self) }
                }
                return found
            }
        }
        set {
            if !isEmpty { self = RecordHeaders(filter { $0.key != name }) }
            if let newValue { append(name, newValue) }
        }
    }

    public subscript(name: String, default value: String) -> String { self[name] ?? value }

    private mutating func append(_ name: String, _ value: String) {
        for size in [name.utf8.count, value.utf8.count] {
            withUnsafeBytes(of: UInt32(size)) { packed.append(contentsOf: $0) }
        }
        packed.append(contentsOf: name.utf8)
        packed.append(contentsOf: value.utf8)
    }

    /// Calls `body` with name and value of each header, in their order.
    public func forEachEntry(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void) {
        packed.withUnsafeBytes { bytes in
            var position = 0
            while position < bytes.count {
                let (name, value) = Self.entry(bytes, at: &position)
                body(name, value)
            }
        }
    }

    /// Moves `position` on to the next header.
    private static func entry(
        _ bytes: UnsafeRawBufferPointer, at position: inout Int
    ) -> (UnsafeRawBufferPointer, UnsafeRawBufferPointer) {
        let nameSize = Int(bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
        let valueSize = Int(bytes.loadUnaligned(fromByteOffset: position + sizesBytes / 2, as: UInt32.self))
        let name = position + sizesBytes
        let value = name + nameSize
        position = value + valueSize
        return (
            UnsafeRawBufferPointer(rebasing: bytes[name..<value]),
            UnsafeRawBufferPointer(rebasing: bytes[value..<position])
        )
    }
}

extension RecordHeaders: Sequence {
    public struct Iterator: IteratorProtocol {
        fileprivate let packed: [UInt8]
        fileprivate var position = 0

        public mutating func next() -> Element? {
            guard position < packed.count else { return nil }
            return packed.withUnsafeBytes { bytes in
                let (name, value) = RecordHeaders.entry(bytes, at: &position)
                return (String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
            }
        }
    }

    public func makeIterator() -> Iterator { Iterator(packed: packed) }
}

extension RecordHeaders: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral headers: (String, String)...) {
        for (name, value) in headers { append(name, value) }
    }
}

/// The order does not matter: not every bus keeps it.
extension RecordHeaders: Hashable {
    public static func == (one: RecordHeaders, other: RecordHeaders) -> Bool {
        one.packed == other.packed || one.dictionary == other.dictionary
    }

    public func hash(into hasher: inout Hasher) { dictionary.hash(into: &hasher) }
}
