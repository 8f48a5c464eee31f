// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix

/// HTTP by async-http-client.
struct HTTPTransport: Transport {
    private let client: HTTPClient

    /// One client for the life of the process.
    ///
    /// Not `HTTPClient.shared`: that one goes on trying to connect for 90 seconds where a person waits to hear that the
    /// panel is not running, and follows redirects, taking the token to wherever they point.
    static let live: HTTPTransport = {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = TimeAmount(CLILimits.connectTimeout)
        configuration.timeout.read = TimeAmount(CLILimits.readTimeout)
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPTransport(
            client: HTTPClient(
                eventLoopGroup: HTTPClient.defaultEventLoopGroup, configuration: configuration))
    }()

    func send(_ request: WireRequest) async throws -> WireResponse {
        do {
            let response = try await client.execute(
                Self.clientRequest(request), timeout: TimeAmount(CLILimits.requestTimeout))
            return try await Self.collected(response)
        } catch {
            throw TransportFailure(error)
        }
    }

    func stream(
        _ request: WireRequest, receive: ([UInt8]) async throws -> StreamControl
    ) async throws -> WireResponse {
        let response: HTTPClientResponse
        do {
            response = try await client.execute(
                Self.clientRequest(request), timeout: TimeAmount(CLILimits.requestTimeout))
            if !(200..<300).contains(Int(response.status.code)) { return try await Self.collected(response) }
        } catch {
            throw TransportFailure(error)
        }
        var pieces = response.body.makeAsyncIterator()
        while true {
            let next: ByteBuffer?
            do {
                next = try await pieces.next()
            } catch {
                throw TransportFailure(error)
            }
            guard let piece = next, try await receive(Array(piece.readableBytesView)) == .proceed else { break }
        }
        return WireResponse(status: Int(response.status.code), headers: Self.headers(response))
    }

    private static func clientRequest(_ request: WireRequest) -> HTTPClientRequest {
        var result = HTTPClientRequest(url: request.url)
        result.method = HTTPMethod(rawValue: request.method.rawValue)
        for (name, value) in request.headers { result.headers.add(name: name, value: value) }
        if let body = request.body { result.body = .bytes(ByteBuffer(bytes: body)) }
        return result
    }

    private static func collected(_ response: HTTPClientResponse) async throws -> WireResponse {
        let body = try await response.body.collect(upTo: CLILimits.responseBytesMax)
        return WireResponse(
            status: Int(response.status.code), headers: headers(response), body: Array(body.readableBytesView))
    }

    private static func headers(_ response: HTTPClientResponse) -> [String: String] {
        Dictionary(response.headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { first, _ in first })
    }
}

extension TransportFailure {
    /// Says in a person's words what the libraries below report.
    init(_ error: any Error) {
        switch error {
        case let failure as TransportFailure:
            self = failure
        case let error as NIOConnectionError:
            self.init(kind: .notConnected, reason: Self.reason(error))
        case let error as HTTPClientError where error == .connectTimeout:
            self.init(kind: .notConnected, reason: "no answer within \(CLILimits.connectTimeout.components.seconds) s")
        case let error as HTTPClientError where error == .tlsHandshakeTimeout:
            self.init(kind: .notConnected, reason: "TLS: no handshake in time")
        case let error as HTTPClientError where error == .readTimeout || error == .deadlineExceeded:
            self.init(kind: .idle, reason: "the panel sent nothing for a minute")
        case let error as HTTPClientError where error == .remoteConnectionClosed:
            self.init(kind: .interrupted, reason: "the connection was closed before the answer was complete")
        case is NIOTooManyBytesError:
            self.init(
                kind: .tooLarge, reason: "the answer is larger than \(CLILimits.responseBytesMax >> 20) MiB")
        case let error as IOError:
            let isUnsent = [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH].contains(error.errnoCode)
            self.init(kind: isUnsent ? .notConnected : .interrupted, reason: Self.reason(error))
        default:
            self.init(kind: .interrupted, reason: String(describing: error))
        }
    }

    private static func reason(_ error: IOError) -> String {
        String(cString: strerror(error.errnoCode)).lowercased()
    }

    private static func reason(_ error: NIOConnectionError) -> String {
        if let failure = error.connectionErrors.last {
            guard let system = failure.error as? IOError else { return String(describing: failure.error) }
            return reason(system)
        }
        if error.dnsAError != nil || error.dnsAAAAError != nil { return "the name \(error.host) is not known" }
        return "no connection"
    }
}
