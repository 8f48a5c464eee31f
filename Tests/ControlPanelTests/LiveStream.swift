// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import Synchronization

@testable import ControlPanel

/// An event stream read from a socket as it comes.
final class LiveStream: Sendable {
    struct TooLate: Error {}

    private let received = Mutex("")

    /// What came so far, with head and chunk sizes.
    var text: String { received.withLock { $0 } }

    /// Reads until `isEnough` or the server closes, then closes the connection.
    @discardableResult
    func read(
        _ path: String, of client: PanelClient, port: Int, headers: [String] = [],
        until isEnough: @escaping @Sendable (String) -> Bool
    ) async throws -> String {
        let lines =
            ["GET \(path) HTTP/1.1", "Host: x", "Authorization: Bearer \(client.token)"] + headers + ["", ""]
        return try await withDeadline(.seconds(60), orThrow: TooLate()) {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "localhost", port: port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
            return try await channel.executeThenClose { inbound, outbound in
                try await outbound.write(ByteBuffer(string: lines.joined(separator: "\r\n")))
                for try await buffer in inbound {
                    self.received.withLock { $0 += String(buffer: buffer) }
                    if isEnough(self.text) { break }
                }
                return self.text
            }
        }
    }

    /// The ids of the events with data, in their order.
    static func ids(in text: String) -> [Int] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return zip(lines, lines.dropFirst()).compactMap { line, next in
            line.hasPrefix("id: ") && next.hasPrefix("data: ") ? Int(line.dropFirst(4)) : nil
        }
    }
}
