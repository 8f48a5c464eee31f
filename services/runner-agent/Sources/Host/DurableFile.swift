// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc

/// Small files that survive a crash at any moment: either the old content or the new is there, never a mixture.
enum DurableFile {
    struct Failure: Error, CustomStringConvertible {
        let description: String

        init(_ path: String, _ doing: String, _ cause: Int32) {
            description = "\(path) cannot be \(doing): \(String(cString: strerror(cause)))"
        }
    }

    /// Readable by the owner alone. Blocks until the data is on disk.
    static func write(_ data: Data, to path: String) throws {
        let temporary = path + ".new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(temporary, "created", errno) }
        var cause: Int32 = 0
        data.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0 {
                    if errno == EINTR { continue }
                    cause = errno
                    return
                }
                rest = rest.dropFirst(count)
            }
        }
        if cause == 0, fsync(descriptor) != 0 { cause = errno }
        close(descriptor)
        if cause == 0, rename(temporary, path) != 0 { cause = errno }
        guard cause == 0 else {
            unlink(temporary)
            throw Failure(path, "written", cause)
        }
        syncFolder(of: path)
    }

    private static func syncFolder(of path: String) {
        guard let slash = path.lastIndex(of: "/") else { return }
        let folder = slash == path.startIndex ? "/" : String(path[..<slash])
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        // Some file systems cannot sync a folder; the rename then reaches the disk a little later.
        _ = fsync(descriptor)
        close(descriptor)
    }

    /// `nil` when there is no such file.
    static func read(_ path: String) throws -> Data? {
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw Failure(path, "read", errno)
        }
        do {
            return try Data(contentsOf: URL(filePath: path))
        } catch {
            throw Failure(path, "read", errno)
        }
    }
}
