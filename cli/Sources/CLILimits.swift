// SPDX-License-Identifier: Apache-2.0
import Domain

/// Every bound of the command-line client.
enum CLILimits {
    static let connectTimeout: Duration = .seconds(10)
    /// Until the head of an answer is there.
    static let requestTimeout: Duration = .seconds(60)
    /// Without one byte. The panel's heartbeats come well within it.
    static let readTimeout: Duration = .seconds(60)
    static let responseBytesMax = 16 << 20

    static let retriesMax = 3
    static let retryDelay: Duration = .milliseconds(250)

    /// Reconnections of a live log that bring nothing, before it is given up.
    static let fruitlessReconnectionsMax = 6
    /// A connection that held this long was worth having, even if the log had nothing to say.
    static let usefulConnection: Duration = .seconds(10)
    static let reconnectDelay: Duration = .milliseconds(500)
    static let reconnectDelayMax: Duration = .seconds(8)
    static let eventLineBytesMax = 1 << 20
    static let eventDataBytesMax = 1 << 20

    static let configBytesMax = 64 << 10
    static let tokenBytesMax = 4 << 10
    static let credentialRequestBytesMax = 64 << 10
    /// One byte more than a value may have, and its line ending, so that the panel's own limit decides.
    static let variableBytesMax = Limits.environmentValueBytesMax + 3

    static let gitTimeout: Duration = .seconds(10)
    static let gitOutputBytesMax = 64 << 10

    static let deploymentsMax = 100
    static let deadLettersMax = 200
    /// Characters of a record's value on a line of the tail.
    static let tailValueMax = 200
    static let logLinesMax = 10_000
    /// The longest life of a token the client asks for.
    static let tokenDaysMax = 3650
}
