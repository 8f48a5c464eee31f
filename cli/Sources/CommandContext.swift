// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials

/// Everything a command touches outside itself. Tests put their own in its place for the length of a call.
struct CommandContext: Sendable {
    var environment: [String: String]
    var console: Console
    var input: Input
    var transport: any Transport
    var git: any GitRunner
    var now: @Sendable () -> Timestamp
    var pause: @Sendable (Duration) async throws -> Void
    var makeIdempotencyKey: @Sendable () -> String

    @TaskLocal static var current: CommandContext = .live

    static let live: CommandContext = {
        let environment = ProcessInfo.processInfo.environment
        return CommandContext(
            environment: environment,
            console: .live(environment: environment),
            input: .live,
            transport: HTTPTransport.live,
            git: GitCommand(),
            now: { Timestamp.now() },
            pause: { try await Task.sleep(for: $0) },
            makeIdempotencyKey: {
                var generator = SystemRandomNumberGenerator()
                return IdempotencyKey.generate(using: &generator)
            })
    }()
}

enum IdempotencyKey {
    /// 128 random bits in hexadecimal.
    static func generate(using generator: inout some RandomNumberGenerator) -> String {
        let words: [UInt64] = [generator.next(), generator.next()]
        return "cli-"
            + words.map { word in
                let digits = String(word, radix: 16)
                return String(repeating: "0", count: 16 - digits.count) + digits
            }.joined()
    }
}
