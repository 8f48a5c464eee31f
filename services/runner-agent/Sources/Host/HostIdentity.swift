// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials
import Glibc
import Secrets

/// Who this host is. Made at the agent's first start and kept in its state folder: with another id, the containers on
/// this host would belong to nobody; with another key, the secrets sealed to this host could not be opened.
struct HostIdentity: Sendable {
    let host: HostID
    let key: PrivateSealingKey

    struct Damaged: Error, CustomStringConvertible {
        let description: String
    }

    static func load(from folder: String) throws -> HostIdentity {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw Damaged(description: "SLIPWAY_RUNNER_STATE: the folder \(folder) cannot be created: \(error)")
        }
        // The key's file has its own mode; the rest of the folder is nobody else's business either.
        chmod(folder, 0o700)
        return HostIdentity(host: try host(at: folder + "/host-id"), key: try key(at: folder + "/sealing.key"))
    }

    private static func host(at path: String) throws -> HostID {
        guard let text = try contents(of: path) else {
            let host = HostID.generate()
            try DurableFile.write(Data((host.rawValue + "\n").utf8), to: path)
            return host
        }
        guard text.hasPrefix(HostKind.prefix + "_"), text.utf8.count > HostKind.prefix.utf8.count + 1 else {
            throw Damaged(
                description: "\(path) does not hold a host id (\(HostKind.prefix)_…): restore it from a backup, or "
                    + "remove the whole folder to register this machine as a new host")
        }
        return HostID(text)
    }

    private static func key(at path: String) throws -> PrivateSealingKey {
        guard let text = try contents(of: path) else {
            let key = PrivateSealingKey()
            try DurableFile.write(Data((key.base64 + "\n").utf8), to: path)
            return key
        }
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & 0o077 != 0 {
            throw Damaged(description: "\(path) can be read by others: run chmod 600 \(path)")
        }
        guard let key = try? PrivateSealingKey(base64: text) else {
            throw Damaged(
                description: "\(path) does not hold a sealing key (32 bytes in base64): restore it from a backup, or "
                    + "remove it; then redeploy what runs on this host, for its secrets were sealed to the old key")
        }
        return key
    }

    private static func contents(of path: String) throws -> String? {
        guard let data = try DurableFile.read(path) else { return nil }
        var text = String(decoding: data, as: UTF8.self)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
