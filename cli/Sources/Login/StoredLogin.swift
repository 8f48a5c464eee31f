// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// What `slipway login` remembers.
struct StoredLogin: Codable, Equatable, Sendable {
    var url: String
    var token: String
}

/// The file it is remembered in, readable by its owner only.
struct LoginFile: Sendable, Equatable {
    let path: String

    /// `$XDG_CONFIG_HOME/slipway/config.json`, or the same under `~/.config`.
    /// Source: XDG Base Directory Specification, which has relative values ignored.
    init(environment: [String: String]) throws(CLIError) {
        if let folder = environment["XDG_CONFIG_HOME"], folder.hasPrefix("/") {
            path = folder + "/slipway/config.json"
        } else if let home = environment["HOME"], !home.isEmpty {
            path = home + "/.config/slipway/config.json"
        } else {
            throw CLIError("there is no home folder to keep the login in", hint: "Set HOME or XDG_CONFIG_HOME.")
        }
    }

    var isExposed: Bool { BoundedFile.isExposed(path) }

    /// `nil` when nobody logged in.
    func read() throws(CLIError) -> StoredLogin? {
        let bytes: [UInt8]
        do throws(BoundedFile.Failure) {
            bytes = try BoundedFile.read(path: path, limit: CLILimits.configBytesMax)
        } catch {
            if error == .missing { return nil }
            throw CLIError("\(path) cannot be read: \(error)")
        }
        do {
            return try JSONDecoder().decode(StoredLogin.self, from: Data(bytes))
        } catch {
            throw CLIError(
                "\(path) is damaged: expected a JSON object with url and token", hint: "Write it anew: slipway login")
        }
    }

    func write(_ login: StoredLogin) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let bytes = Array(try encoder.encode(login)) + [UInt8(ascii: "\n")]
        do throws(BoundedFile.Failure) {
            try BoundedFile.makeFolder(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
            try BoundedFile.writePrivate(bytes, to: path)
        } catch {
            throw CLIError("\(path) cannot be written: \(error)")
        }
    }

    /// - Returns: whether there was one.
    func remove() throws -> Bool {
        guard FileManager.default.fileExists(atPath: path) else { return false }
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            throw CLIError("\(path) cannot be removed: \(error)")
        }
        return true
    }
}
