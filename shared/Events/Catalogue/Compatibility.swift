// SPDX-License-Identifier: Apache-2.0

/// Tells whether those who read a released type can go on reading what is written today.
public enum Compatibility {
    /// A change that would break a consumer of what was released.
    public struct Break: Sendable, Hashable, CustomStringConvertible {
        public let type: String
        /// Where: `topic`, or a place in the payload such as `$.lines[].at`.
        public let path: String
        public let reason: String

        public var description: String { "\(type) \(path): \(reason)" }
    }

    /// - Returns: what breaks, in the order of `released`; empty when every consumer can go on.
    public static func breaks(released: [ReleasedType], current: [ReleasedType]) -> [Break] {
        let types = Dictionary(current.map { ($0.type, $0) }) { first, _ in first }
        return released.flatMap { old in
            guard let new = types[old.type] else {
                return [Break(type: old.type, path: "type", reason: "is no longer in the catalogue")]
            }
            return compare(old, new)
        }
    }

    private static func compare(_ old: ReleasedType, _ new: ReleasedType) -> [Break] {
        var comparison = Comparison(type: old.type)
        comparison.equal("topic", old.topic, new.topic)
        comparison.equal("kind", old.kind, new.kind)
        comparison.equal("key", old.key, new.key)
        comparison.equal("partitionKey", old.partitionKey ?? old.key, new.partitionKey ?? new.key)
        // Another number of partitions moves keys: the events of a key would lie in two, in no order between them, and
        // the old value of a state key would stay in the partition that it left.
        comparison.equal("partitions", String(old.partitions), String(new.partitions))
        comparison.atLeast("retentionSeconds", old.retentionSeconds, new.retentionSeconds)
        if old.audience == "public" { comparison.equal("audience", old.audience, new.audience) }
        comparison.schema("$", old.schema, new.schema)
        return comparison.breaks
    }

    private struct Comparison {
        let type: String
        var breaks: [Break] = []

        mutating func fail(_ path: String, _ reason: String) {
            breaks.append(Break(type: type, path: path, reason: reason))
        }

        mutating func equal(_ path: String, _ old: String, _ new: String) {
            if old != new { fail(path, "changed from \(old) to \(new)") }
        }

        mutating func atLeast(_ path: String, _ old: Int64, _ new: Int64) {
            if new < old { fail(path, "reduced from \(old) to \(new)") }
        }

        mutating func schema(_ path: String, _ old: JSONValue, _ new: JSONValue) {
            // What a value looks like; a reader may have been made for just that.
            for keyword in ["type", "format", "pattern", "contentEncoding", "minimum"]
            where old[keyword] != new[keyword] {
                fail(path, "\(keyword) changed from \(text(old[keyword])) to \(text(new[keyword]))")
                if keyword == "type" { return }
            }
            values(path, old, new)
            properties(path, old, new)
            cases(path, old, new)
            nested("\(path)[]", old["items"], new["items"])
            nested("\(path).*", old["additionalProperties"], new["additionalProperties"])
        }

        private mutating func values(_ path: String, _ old: JSONValue, _ new: JSONValue) {
            let before = old["enum"] ?? old["x-open-values"]
            let after = new["enum"] ?? new["x-open-values"]
            guard before != nil else { return }
            let (known, present) = (Set(strings(before)), Set(strings(after)))
            for value in known.subtracting(present).sorted() { fail(path, "the value \(value) was removed") }
            guard old["enum"] != nil else { return }
            if new["enum"] == nil { fail(path, "the closed set of values was opened") }
            for value in present.subtracting(known).sorted() {
                fail(path, "the value \(value) was added to a closed set; only an open one may grow")
            }
        }

        private mutating func properties(_ path: String, _ old: JSONValue, _ new: JSONValue) {
            guard case .object(let before)? = old["properties"] else { return }
            let (wasRequired, isRequired) = (Set(strings(old["required"])), Set(strings(new["required"])))
            for (name, schema) in before.sorted(by: { $0.key < $1.key }) {
                let place = "\(path).\(name)"
                guard let now = new["properties"]?[name] else {
                    fail(place, "the property was removed")
                    continue
                }
                if wasRequired.contains(name) && !isRequired.contains(name) {
                    fail(place, "the property was required and became optional")
                }
                self.schema(place, schema, now)
            }
        }

        /// The members of which exactly one is present: a closed set too.
        private mutating func cases(_ path: String, _ old: JSONValue, _ new: JSONValue) {
            guard (old["oneOf"] == nil) == (new["oneOf"] == nil) else {
                return fail(path, "a choice of members became a plain object, or the other way round")
            }
            guard old["oneOf"] != nil, case .object(let before)? = old["properties"],
                case .object(let after)? = new["properties"]
            else { return }
            for name in Set(after.keys).subtracting(before.keys).sorted() {
                fail("\(path).\(name)", "the choice was added; readers know the others only")
            }
        }

        private mutating func nested(_ path: String, _ old: JSONValue?, _ new: JSONValue?) {
            switch (old, new) {
            case (nil, nil): break
            case (let old?, let new?): schema(path, old, new)
            default: fail(path, "the kind of object or list changed")
            }
        }

        private func strings(_ value: JSONValue?) -> [String] {
            guard case .array(let elements)? = value else { return [] }
            return elements.compactMap { if case .string(let text) = $0 { text } else { nil } }
        }

        private func text(_ value: JSONValue?) -> String {
            switch value {
            case .string(let text)?: text
            case .integer(let number)?: String(number)
            case nil: "none"
            default: "another kind"
            }
        }
    }
}
