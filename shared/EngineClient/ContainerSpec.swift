// SPDX-License-Identifier: Apache-2.0

/// What a container is made of. The defaults are the engine's; hardening is the caller's to ask for.
public struct ContainerSpec: Sendable, Hashable {
    /// A TCP port of the container, made reachable on the host.
    public struct PublishedPort: Sendable, Hashable {
        public var containerPort: Int
        public var hostAddress: String
        /// 0 lets the engine choose.
        public var hostPort: Int

        public init(containerPort: Int, hostAddress: String, hostPort: Int = 0) {
            self.containerPort = containerPort
            self.hostAddress = hostAddress
            self.hostPort = hostPort
        }
    }

    public var image: String
    /// Replaces the image's entry point, and with it the image's command.
    public var entrypoint: [String]?
    /// Replaces the image's command.
    public var command: [String]?
    public var environment: [String: String] = [:]
    public var labels: [String: String] = [:]
    public var user: String?
    public var workingDirectory: String?
    /// A network's name, `none`, `host`; `nil` is the engine's default network.
    public var networkMode: String?
    public var publishedPorts: [PublishedPort] = []
    /// Directories in memory, by path, each with its size in bytes.
    public var temporaryDirectories: [String: Int] = [:]
    /// `source:target[:ro]`
    public var binds: [String] = []
    /// Without swap.
    public var memoryBytes: Int?
    /// Thousandths of a core.
    public var cpuMillis: Int?
    public var pidsMax: Int?
    public var isRootReadOnly = false
    public var allowsNewPrivileges = true
    public var droppedCapabilities: [String] = []
    /// The engine's init as process 1: it reaps zombies and passes signals on.
    public var usesInit = false
    /// Size at which the log file is rotated, and how many files are kept.
    public var logFileBytesMax: Int?
    public var logFilesMax = 2
    public var stopGraceSeconds: Int?

    public init(image: String) {
        self.image = image
    }

    var body: JSONValue {
        var body: [String: JSONValue] = [
            "Image": .string(image), "Labels": .strings(labels), "Tty": .bool(false),
            "Env": .strings(environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }),
            "HostConfig": .object(hostConfig),
        ]
        if let entrypoint { body["Entrypoint"] = .strings(entrypoint) }
        if let command { body["Cmd"] = .strings(command) }
        if let user { body["User"] = .string(user) }
        if let workingDirectory { body["WorkingDir"] = .string(workingDirectory) }
        if let stopGraceSeconds { body["StopTimeout"] = .int(stopGraceSeconds) }
        if !publishedPorts.isEmpty {
            let ports = publishedPorts.map { ("\($0.containerPort)/tcp", JSONValue.object([:])) }
            body["ExposedPorts"] = .object(Dictionary(ports) { $1 })
        }
        return .object(body)
    }

    private var hostConfig: [String: JSONValue] {
        var config: [String: JSONValue] = [
            "ReadonlyRootfs": .bool(isRootReadOnly), "CapDrop": .strings(droppedCapabilities),
            "SecurityOpt": .strings(allowsNewPrivileges ? [] : ["no-new-privileges"]),
            "RestartPolicy": .object(["Name": .string("no")]), "Init": .bool(usesInit),
        ]
        if let networkMode { config["NetworkMode"] = .string(networkMode) }
        if !binds.isEmpty { config["Binds"] = .strings(binds) }
        if !temporaryDirectories.isEmpty {
            config["Tmpfs"] = .strings(temporaryDirectories.mapValues { "rw,nosuid,nodev,mode=1777,size=\($0)" })
        }
        if !publishedPorts.isEmpty {
            let bindings = publishedPorts.map { port in
                let hostPort = port.hostPort == 0 ? "" : String(port.hostPort)
                let binding = JSONValue.strings(["HostIp": port.hostAddress, "HostPort": hostPort])
                return ("\(port.containerPort)/tcp", [binding])
            }
            config["PortBindings"] = .object(Dictionary(bindings) { $0 + $1 }.mapValues { .array($0) })
        }
        if let memoryBytes {
            config["Memory"] = .int(memoryBytes)
            config["MemorySwap"] = .int(memoryBytes)
        }
        if let cpuMillis { config["NanoCpus"] = .int(cpuMillis * 1_000_000) }
        if let pidsMax { config["PidsLimit"] = .int(pidsMax) }
        if let logFileBytesMax {
            config["LogConfig"] = .object([
                "Type": .string("json-file"),
                "Config": .strings(["max-size": String(logFileBytesMax), "max-file": String(logFilesMax)]),
            ])
        }
        return config
    }
}
