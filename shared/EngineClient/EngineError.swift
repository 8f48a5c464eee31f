// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore

/// Why the container engine did not do what it was asked.
public struct EngineError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable, Hashable {
        /// No connection, or it broke: the engine is not running or was restarted. Worth trying again.
        case unreachable
        /// The container, image or network does not exist.
        case notFound
        /// The name is taken, or the object is in a state that forbids the call.
        case conflict
        /// The engine does not accept the request; a failed image build, with the step's exit code as `status`.
        case refused
        /// The engine accepted the request and failed at it.
        case server
        case timeout
        /// The answer makes no sense.
        case `protocol`
    }

    public let code: Code
    /// The HTTP status, or the exit code of a failed build step.
    public let status: Int?
    /// What happened, for people; usually the engine's own words.
    public let message: String

    public var description: String { message }

    public init(code: Code, status: Int? = nil, message: String) {
        self.code = code
        self.status = status
        self.message = message
    }

    /// The same request may succeed later without any change.
    public var isRetriable: Bool { code == .unreachable || code == .timeout }

    // The engine tells these apart in its text only.

    public var isDiskFull: Bool { message.contains("no space left on device") }

    /// A host port that a container was to be published on is used by another program.
    public var isPortTaken: Bool {
        message.contains("port is already allocated") || message.contains("address already in use")
    }

    /// The engine was asked for an init process and its installation has none.
    public var isInitMissing: Bool { message.contains("docker-init") }

    /// The engine's pool of subnets for new networks is used up.
    public var isAddressPoolExhausted: Bool {
        message.contains("non-overlapping IPv4 address pool") || message.contains("all predefined address pools")
    }
}

extension EngineError {
    init(status: Int, message: String) {
        let code: Code =
            switch status {
            case 404: .notFound
            case 409: .conflict
            case 400..<500: .refused
            default: .server
            }
        self.init(code: code, status: status, message: message)
    }

    /// Errors of the HTTP client as errors of the engine; cancellation stays cancellation.
    static func translating(_ error: any Error, task: String, socketPath: String) -> any Error {
        switch error {
        case is CancellationError, is EngineError:
            return error
        case let error as HTTPClientError:
            return ofClient(error, task: task, socketPath: socketPath)
        case is NIOTooManyBytesError:
            return EngineError(code: .protocol, message: "\(task): the engine's answer is larger than any expected")
        default:
            return unreachable(socketPath, task: task, cause: "\(error)")
        }
    }

    private static func ofClient(_ error: HTTPClientError, task: String, socketPath: String) -> any Error {
        switch error {
        case .cancelled:
            return CancellationError()
        case .deadlineExceeded, .readTimeout, .writeTimeout, .getConnectionFromPoolTimeout:
            return EngineError(code: .timeout, message: "\(task): the container engine did not answer in time")
        case .connectTimeout, .remoteConnectionClosed, .alreadyShutdown:
            return unreachable(socketPath, task: task, cause: error.shortDescription)
        default:
            return EngineError(code: .protocol, message: "\(task): \(error.shortDescription)")
        }
    }

    private static func unreachable(_ socketPath: String, task: String, cause: String) -> EngineError {
        EngineError(
            code: .unreachable,
            message: "\(task): the container engine at \(socketPath) cannot be reached (\(cause)); is it running?")
    }
}
