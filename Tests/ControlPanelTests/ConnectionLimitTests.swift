// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import Testing

@testable import ControlPanel

/// What happens on the wire before the router sees a request.
@Suite struct ConnectionLimitTests {
    /// Sends `text` as it is, and gives what comes back until the server closes.
    private func exchange(_ text: String, port: Int) async throws -> String {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "localhost", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            var received = ""
            for try await buffer in inbound { received += String(buffer: buffer) }
            return received
        }
    }

    @Test func aHundredMegabytesAreRefusedBeforeTheyAreSent() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withServer { _, port in
                let answer = try await exchange(
                    "POST /v1/organisations HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n{", port: port)
                #expect(answer.hasPrefix("HTTP/1.1 413 "))
                #expect(answer.contains("application/problem+json"))
                #expect(answer.contains("at most 1048576 bytes"))
            }
        }
    }

    @Test func anAnnouncedBodyIsAskedFor() async throws {
        try await PanelFixture.with { fixture in
            try await fixture.withServer { _, port in
                let answer = try await exchange(
                    "POST /v1/organisations HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n"
                        + "Expect: 100-continue\r\n\r\n{}", port: port)
                #expect(answer.hasPrefix("HTTP/1.1 100 Continue\r\n"))
                #expect(answer.contains("HTTP/1.1 401 "))
            }
        }
    }
}
