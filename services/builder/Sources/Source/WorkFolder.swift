// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials
import Glibc

/// Where builds keep their files. One builder at a time uses it; what a predecessor left is removed.
final class WorkFolder: Sendable {
    let path: String
    /// Names this builder in the database, the same after a restart.
    let worker: String
    private let lock: Int32

    /// - Throws: `WorkFolderError` naming the path when it cannot be used or another builder uses it.
    init(_ path: String) throws {
        let builds = path + "/builds"
        do {
            try FileManager.default.createDirectory(atPath: builds, withIntermediateDirectories: true)
        } catch {
            throw WorkFolderError("builder.work: \(path) cannot be created: \(error)")
        }
        let lock = Glibc.open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw WorkFolderError("builder.work: \(path) is not writable") }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            throw WorkFolderError("builder.work: \(path) is in use by another builder: give each one its own")
        }
        do {
            for name in try FileManager.default.contentsOfDirectory(atPath: builds) {
                try FileManager.default.removeItem(atPath: builds + "/" + name)
            }
            worker = try Self.worker(in: path)
        } catch {
            close(lock)
            throw WorkFolderError("builder.work: \(path) cannot be used: \(error)")
        }
        self.path = path
        self.lock = lock
    }

    deinit {
        // A process that is being started holds a copy of the descriptor for a moment, and the lock with it.
        flock(lock, LOCK_UN)
        close(lock)
    }

    private static func worker(in path: String) throws -> String {
        let file = path + "/builder-id"
        if let known = try? String(contentsOfFile: file, encoding: .utf8), !known.isEmpty { return known }
        let worker = "builder-" + String(UInt64.random(in: .min ... .max), radix: 36)
        try TextFile.write(worker, to: file)
        return worker
    }

    /// A new, empty folder that only this user can enter. Give it back with `remove`.
    func create(for build: BuildID) throws -> String {
        let name = build.rawValue
        guard !name.isEmpty, name.utf8.allSatisfy(Self.isPlain) else {
            throw BuildFailure("The build request has a malformed id: this is a fault of the platform.")
        }
        let folder = path + "/builds/" + name
        remove(folder)
        // Its parent may have been taken away by whoever freed disk space.
        _ = mkdir(path + "/builds", 0o700)
        guard mkdir(folder, 0o700) == 0 else {
            throw errno == ENOSPC
                ? BuildFailure.diskFull
                : BuildFailure("The builder cannot write to its work folder: its operator has to look at it.")
        }
        return folder
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte) || byte == 0x5f
    }

    func remove(_ folder: String) {
        // What cannot be removed now is removed at the next start.
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Bytes of all files below `folder`; files that vanish meanwhile count nothing.
    static func size(of folder: String) -> Int {
        let names = (try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []
        return names.reduce(0) { $0 + fileSize(folder + "/" + $1) }
    }

    static func fileSize(_ path: String) -> Int {
        var status = stat()
        return lstat(path, &status) == 0 ? Int(status.st_size) : 0
    }
}

struct WorkFolderError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

enum TextFile {
    static func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
    }
}
