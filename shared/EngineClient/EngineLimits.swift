// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Limits of the engine client.
enum EngineLimits {
    /// A plain call, from sending to the last byte of the answer.
    static let callMax: Duration = .seconds(30)
    /// Creating and starting containers and networks, and removing images: the engine works on its disk meanwhile.
    static let slowCallMax: Duration = .seconds(120)
    static let pingMax: Duration = .seconds(3)
    /// How long after the end of its grace a stopped container may take to be reported.
    static let stopMargin: Duration = .seconds(30)
    /// The largest answer of a plain call, such as the list of all containers.
    static let answerBytesMax = 16 << 20
    static let errorBytesMax = 64 << 10
    /// Plain calls at once; more wait. Stopping a container holds a connection for its whole grace.
    static let connectionsMax = 64
    /// Streams (logs, events, builds) at once.
    static let streamsMax = 2_048
    /// Below any engine's own idle time-out, so that it does not close a connection while a call is sent on it.
    static let idleMax: TimeAmount = .seconds(20)
    static let connectMax: TimeAmount = .seconds(3)
    /// One JSON message of a build, a pull or the event stream.
    static let messageBytesMax = 1 << 20
    /// One frame of a multiplexed log; the engine itself cuts at 16 KiB.
    static let frameBytesMax = 1 << 20
    /// One line of build output as it is reported.
    static let lineBytesMax = 16 << 10
    static let uploadChunkBytes = 256 << 10
}
