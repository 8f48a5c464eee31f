// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOCore
import NIOPosix

/// A file that is open for reading until its last reference is gone.
final class UploadFile: Sendable {
    private let descriptor: Int32
    let size: Int64

    init(path: String) throws {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.failure(path, errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let cause = errno
            close(descriptor)
            throw Self.failure(path, cause)
        }
        size = Int64(status.st_size)
    }

    deinit { close(descriptor) }

    private static func failure(_ path: String, _ cause: Int32) -> EngineError {
        EngineError(code: .refused, message: "\(path) cannot be read: \(String(cString: strerror(cause)))")
    }

    /// Up to `max` bytes from `offset` on; empty at the end.
    func read(from offset: Int64, max: Int) async throws -> ByteBuffer {
        let descriptor = self.descriptor
        return try await NIOThreadPool.singleton.runIfActive {
            var buffer = ByteBufferAllocator().buffer(capacity: max)
            var cause: Int32 = 0
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: max) { bytes in
                let count = pread(descriptor, bytes.baseAddress, min(max, bytes.count), off_t(offset))
                if count < 0 { cause = errno }
                return Swift.max(0, count)
            }
            guard cause == 0 else { throw Self.failure("the upload", cause) }
            return buffer
        }
    }
}

/// The whole of a file in chunks; it can be gone through more than once.
struct FileChunks: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let file: UploadFile

    struct AsyncIterator: AsyncIteratorProtocol {
        let file: UploadFile
        var offset: Int64 = 0

        mutating func next() async throws -> ByteBuffer? {
            guard offset < file.size else { return nil }
            let wanted = Int(Swift.min(Int64(EngineLimits.uploadChunkBytes), file.size - offset))
            let chunk = try await file.read(from: offset, max: wanted)
            guard chunk.readableBytes > 0 else {
                throw EngineError(code: .refused, message: "the upload shrank while it was sent")
            }
            offset += Int64(chunk.readableBytes)
            return chunk
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(file: file) }
}
