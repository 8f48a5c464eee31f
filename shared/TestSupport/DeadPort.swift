// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A local port where no server is, and that nobody else can be given meanwhile.
public final class DeadPort: Sendable {
    public enum Manner: String, Sendable {
        /// Bound and not listened on.
        case refuses
        /// Takes connections and never says a word.
        case keepsSilent
    }

    struct Unavailable: Error {}

    public let port: Int
    private let descriptor: CInt

    public init(_ manner: Manner = .refuses) throws {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Unavailable() }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, length) == 0 && getsockname(descriptor, generic, &length) == 0
            }
        }
        self.descriptor = descriptor
        port = Int(UInt16(bigEndian: address.sin_port))
        if !isBound || (manner == .keepsSilent && listen(descriptor, 16) != 0) { throw Unavailable() }
    }

    deinit { close(descriptor) }
}
