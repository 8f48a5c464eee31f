// SPDX-License-Identifier: Apache-2.0
import Domain

/// What the engine says of one container.
public struct ContainerInfo: Sendable, Hashable {
    public enum State: String, Sendable, Hashable {
        case created, running, paused, restarting, removing, exited, dead
        /// A state this client does not know.
        case unknown
    }

    public struct Address: Sendable, Hashable {
        public var host: String
        public var port: Int

        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    public var id: String
    /// Without the engine's leading slash.
    public var name: String
    public var image: String
    public var labels: [String: String]
    public var state: State
    /// Of the last run; 0 before the first.
    public var exitCode: Int
    public var wasOutOfMemory: Bool
    /// Why the engine could not start it; empty otherwise.
    public var error: String
    public var createdAt: Timestamp?
    public var startedAt: Timestamp?
    public var finishedAt: Timestamp?
    /// Where TCP ports of the container are reached on the host, while it runs.
    public var publishedPorts: [Int: Address]

    public init(
        id: String, name: String, image: String, labels: [String: String], state: State, exitCode: Int = 0,
        wasOutOfMemory: Bool = false, error: String = "", createdAt: Timestamp? = nil, startedAt: Timestamp? = nil,
        finishedAt: Timestamp? = nil, publishedPorts: [Int: Address] = [:]
    ) {
        self.id = id
        self.name = name
        self.image = image
        self.labels = labels
        self.state = state
        self.exitCode = exitCode
        self.wasOutOfMemory = wasOutOfMemory
        self.error = error
        self.createdAt = createdAt
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.publishedPorts = publishedPorts
    }
}

/// A container as the list shows it.
public struct ContainerSummary: Sendable, Hashable {
    public var id: String
    public var names: [String]
    public var labels: [String: String]
    public var state: ContainerInfo.State

    public init(id: String, names: [String], labels: [String: String], state: ContainerInfo.State) {
        self.id = id
        self.names = names
        self.labels = labels
        self.state = state
    }
}

struct ContainerAnswer: Decodable {
    struct State: Decodable {
        var status: String?
        var exitCode: Int?
        var oomKilled: Bool?
        var error: String?
        var startedAt: String?
        var finishedAt: String?

        enum CodingKeys: String, CodingKey {
            case status = "Status"
            case exitCode = "ExitCode"
            case oomKilled = "OOMKilled"
            case error = "Error"
            case startedAt = "StartedAt"
            case finishedAt = "FinishedAt"
        }
    }

    struct Config: Decodable {
        var labels: [String: String]?

        enum CodingKeys: String, CodingKey { case labels = "Labels" }
    }

    struct NetworkSettings: Decodable {
        struct Binding: Decodable {
            var hostIP: String?
            var hostPort: String?

            enum CodingKeys: String, CodingKey {
                case hostIP = "HostIp"
                case hostPort = "HostPort"
            }
        }

        var ports: [String: [Binding]?]?

        enum CodingKeys: String, CodingKey { case ports = "Ports" }
    }

    var id: String
    var name: String?
    var image: String?
    var created: String?
    var state: State?
    var config: Config?
    var networkSettings: NetworkSettings?

    enum CodingKeys: String, CodingKey {
        case id = "Id"
        case name = "Name"
        case image = "Image"
        case created = "Created"
        case state = "State"
        case config = "Config"
        case networkSettings = "NetworkSettings"
    }

    var container: ContainerInfo {
        ContainerInfo(
            id: id, name: name.map { String($0.drop { $0 == "/" }) } ?? "", image: image ?? "",
            labels: config?.labels ?? [:],
            state: (state?.status).flatMap(ContainerInfo.State.init(rawValue:)) ?? .unknown,
            exitCode: state?.exitCode ?? 0, wasOutOfMemory: state?.oomKilled ?? false, error: state?.error ?? "",
            createdAt: Self.time(created), startedAt: Self.time(state?.startedAt),
            finishedAt: Self.time(state?.finishedAt), publishedPorts: ports)
    }

    /// The engine's "never" is the year 1.
    private static func time(_ text: String?) -> Timestamp? {
        guard let time = text.flatMap({ Timestamp(rfc3339: $0) }), time.microseconds > 0 else { return nil }
        return time
    }

    private var ports: [Int: ContainerInfo.Address] {
        var ports: [Int: ContainerInfo.Address] = [:]
        for (name, bindings) in networkSettings?.ports ?? [:] where name.hasSuffix("/tcp") {
            guard let port = Int(name.dropLast(4)) else { continue }
            for binding in bindings ?? [] where ports[port] == nil {
                guard let hostPort = binding.hostPort.flatMap({ Int($0) }), hostPort > 0 else { continue }
                ports[port] = ContainerInfo.Address(host: binding.hostIP ?? "", port: hostPort)
            }
        }
        return ports
    }
}

struct ListedContainerAnswer: Decodable {
    var id: String
    var names: [String]?
    var labels: [String: String]?
    var state: String?

    enum CodingKeys: String, CodingKey {
        case id = "Id"
        case names = "Names"
        case labels = "Labels"
        case state = "State"
    }

    var container: ContainerSummary {
        ContainerSummary(
            id: id, names: (names ?? []).map { String($0.drop { $0 == "/" }) }, labels: labels ?? [:],
            state: state.flatMap(ContainerInfo.State.init(rawValue:)) ?? .unknown)
    }
}
