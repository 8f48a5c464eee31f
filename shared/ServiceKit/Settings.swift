// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// Reads a service's settings from `SLIPWAY_…` environment variables and, behind them, a file of such variables, and
/// collects every problem instead of stopping at the first.
///
/// The key `database.url` is the variable `SLIPWAY_DATABASE_URL`, in the environment as in the file, whose lines are
/// `NAME=value` or comments that begin with `#`. A readable file named by `SLIPWAY_DATABASE_URL_FILE` gives the value
/// too, for secrets that are kept in files. Whatever the environment says wins over the file.
public struct Settings: Sendable {
    private let environment: [String: String]
    private let file: [String: String]
    private(set) var problems: [String] = []
    private var shown: [(key: String, value: String)] = []

    /// - Parameter environment: usually the process's.
    /// - Throws: `SettingsError` when the file named by `SLIPWAY_CONFIG` cannot be read.
    public static func load(_ environment: [String: String]) throws -> Settings {
        guard let path = environment["SLIPWAY_CONFIG"] else {
            return Settings(environment: environment, file: [:])
        }
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw SettingsError(problems: ["SLIPWAY_CONFIG: \(path) cannot be read as UTF-8 text"])
        }
        let (file, problems) = parse(text)
        var settings = Settings(environment: environment, file: file)
        settings.problems = problems.map { "\(path), \($0)" }
        return settings
    }

    /// - Returns: the variables, and what is wrong by line. No value is repeated: it may be a secret.
    static func parse(_ text: String) -> (variables: [String: String], problems: [String]) {
        var variables: [String: String] = [:]
        var problems: [String] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.trimmed
            if line.isEmpty || line.hasPrefix("#") { continue }
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts[0].trimmed
            guard parts.count == 2, name.hasPrefix("SLIPWAY_"), !name.contains(where: \.isWhitespace) else {
                problems.append("line \(index + 1): expected SLIPWAY_NAME=value or a comment that begins with #")
                continue
            }
            if variables.updateValue(parts[1].trimmed, forKey: name) != nil {
                problems.append("line \(index + 1): \(name) was set before")
            }
        }
        return (variables, problems)
    }

    private init(environment: [String: String], file: [String: String]) {
        self.environment = environment
        self.file = file
    }

    static func variable(_ key: String) -> String {
        "SLIPWAY_" + key.replacing(".", with: "_").uppercased()
    }

    private mutating func raw(_ key: String, isSecret: Bool) -> String? {
        let name = Self.variable(key)
        var value: String?
        for source in [environment, file] where value == nil {
            value = source[name]
            guard value == nil, let path = source[name + "_FILE"] else { continue }
            if let text = try? String(contentsOfFile: path, encoding: .utf8) {
                var text = text
                while text.last?.isNewline == true { text.removeLast() }
                value = text
            } else {
                problems.append("\(name)_FILE: \(path) cannot be read")
                break
            }
        }
        if let value { shown.append((key, isSecret ? "<redacted>" : value)) }
        return value
    }

    private mutating func parse<T>(
        _ key: String, default fallback: T?, isSecret: Bool = false, expected: String, _ convert: (String) -> T?
    ) -> T? {
        guard let text = raw(key, isSecret: isSecret) else {
            if fallback == nil { problems.append("\(Self.variable(key)) is missing: \(expected)") }
            return fallback
        }
        guard let value = convert(text) else {
            problems.append("\(Self.variable(key)) is \(isSecret ? "<redacted>" : "\"\(text)\""): expected \(expected)")
            return fallback
        }
        return value
    }

    /// A required or defaulted text; never empty.
    public mutating func string(
        _ key: String, default fallback: String? = nil, isSecret: Bool = false, expected: String = "a text"
    ) -> String {
        parse(key, default: fallback, isSecret: isSecret, expected: expected) { $0.isEmpty ? nil : $0 } ?? ""
    }

    public mutating func optionalString(_ key: String, isSecret: Bool = false) -> String? {
        raw(key, isSecret: isSecret).flatMap { $0.isEmpty ? nil : $0 }
    }

    public mutating func int(_ key: String, default fallback: Int? = nil, in range: ClosedRange<Int>) -> Int {
        parse(key, default: fallback, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)") {
            Int($0).flatMap { range.contains($0) ? $0 : nil }
        } ?? range.lowerBound
    }

    /// A value of the caller's own form, with a default.
    public mutating func value<T>(
        _ key: String, default fallback: T, expected: String, _ convert: (String) -> T?
    ) -> T {
        parse(key, default: fallback, expected: expected, convert) ?? fallback
    }

    public mutating func bool(_ key: String, default fallback: Bool) -> Bool {
        parse(key, default: fallback, expected: "true or false") {
            $0 == "true" ? true : $0 == "false" ? false : nil
        } ?? fallback
    }

    /// `host:port`; port 0 lets the system choose.
    public mutating func address(_ key: String, default fallback: String? = nil) -> ListenAddress {
        parse(
            key, default: fallback.flatMap(ListenAddress.init), expected: "host:port, such as 127.0.0.1:8080",
            ListenAddress.init) ?? ListenAddress(host: "127.0.0.1", port: 0)
    }

    /// A value of the caller's own form; `nil` only when a problem was recorded.
    public mutating func value<T>(
        _ key: String, isSecret: Bool = false, expected: String, _ convert: (String) -> T?
    ) -> T? {
        parse(key, default: nil, isSecret: isSecret, expected: expected, convert)
    }

    /// - Throws: `SettingsError` with every problem found so far.
    public func check() throws {
        if !problems.isEmpty { throw SettingsError(problems: problems) }
    }

    /// What is in force, secrets replaced, for the start-up log.
    public var effective: [(key: String, value: String)] { shown }
}

public struct ListenAddress: Sendable, Hashable {
    public let host: String
    public let port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// The last colon separates the port, so that IPv6 addresses need no brackets; brackets are taken off.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65_535).contains(port)
        else { return nil }
        let host = text[..<colon].trimmingPrefix("[")
        self.host = String(host.last == "]" ? host.dropLast() : host)
        self.port = port
        if self.host.isEmpty { return nil }
    }
}

public struct SettingsError: Error, Sendable, CustomStringConvertible {
    public let problems: [String]

    public var description: String {
        "the configuration has \(problems.count) problem\(problems.count == 1 ? "" : "s"):\n"
            + problems.map { "  - " + $0 }.joined(separator: "\n")
    }
}

extension StringProtocol {
    /// Without white space at its ends.
    fileprivate var trimmed: String {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[first...last])
    }
}
