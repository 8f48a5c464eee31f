// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import Domain
import EngineClient
import NIOCore

/// Asks an instance whether it is ready.
struct HealthProbe: Sendable {
    enum Outcome: Sendable, Hashable {
        case ready
        /// Why not, for the developer.
        case notReady(String)
    }

    let client: HTTPClient

    static func makeClient() -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.idleTimeout = .seconds(1)
        configuration.httpVersion = .http1Only
        return HTTPClient(configuration: configuration)
    }

    func check(_ check: HealthCheck, at address: ContainerInfo.Address) async -> Outcome {
        let host = address.host.contains(":") ? "[\(address.host)]" : address.host
        let path = check.path.hasPrefix("/") ? check.path : "/" + check.path
        var request = HTTPClientRequest(url: "http://\(host):\(address.port)\(path)")
        // Programs that check the host they are called by know this one if they know any.
        request.headers.add(name: "Host", value: "localhost")
        request.headers.add(name: "User-Agent", value: "slipway-health/1")
        request.headers.add(name: "Connection", value: "close")
        let timeout = TimeAmount.milliseconds(Int64(max(1, check.timeoutMilliseconds)))
        do {
            let response = try await client.execute(request, deadline: .now() + timeout)
            let status = Int(response.status.code)
            return (200..<400).contains(status) ? .ready : .notReady("answered \(status), expected 2xx or 3xx")
        } catch let error as HTTPClientError {
            return .notReady(Self.explain(error, timeoutMilliseconds: check.timeoutMilliseconds))
        } catch {
            return .notReady("nothing accepts connections on the port")
        }
    }

    static func explain(_ error: HTTPClientError, timeoutMilliseconds: Int) -> String {
        switch error {
        case .deadlineExceeded, .connectTimeout, .readTimeout:
            "no answer within \(timeoutMilliseconds) ms"
        case .remoteConnectionClosed:
            "the connection was closed without an answer: does the program listen on all addresses (0.0.0.0)?"
        case .invalidURL:
            "the path of the health check is not valid in a URL"
        default:
            "no valid HTTP answer (\(error.shortDescription))"
        }
    }
}
