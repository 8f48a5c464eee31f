// SPDX-License-Identifier: Apache-2.0
import Domain
import Secrets

extension Catalogue {
    static let hosts: [Entry] = [
        Entry(
            HostObserved.self, key: "{host}", .internal, from: [.runner], to: [.controller],
            "What a runner agent says of its host, every few seconds: a record that grows old means a lost host.",
            [
                .host, .required("name", .string, "The host's name."),
                .required("address", .string, "Where instances of this host are reached."),
                .required("sealingKey", .base64, "Secrets for instances of this host are sealed to this X25519 key."),
                .required("memoryBytes", .count, "Memory for instances."),
                .required("cpuMillis", .count, "Thousandths of a core for instances."),
                .required("engineIsUp", .boolean, "The container engine answers."),
                .required("agentVersion", .string, "Version of the agent."),
                .required("heartbeatAt", .time, "When this was written."),
            ],
            example: {
                HostObserved(
                    host: Example.host, name: "vm-1", address: "10.0.0.11",
                    sealingKey: try PublicSealingKey(base64: "cHVibGljIGtleSBvZiBhIGhvc3QsIDMyIGJ5dGVzLi4="),
                    memoryBytes: 8 << 30, cpuMillis: 4000, engineIsUp: true, agentVersion: "0.1.0",
                    heartbeatAt: Example.time)
            }),
        Entry(
            InstanceDesired.self, key: "{host}/{instance}", partitionKey: "{host}", .internal, from: [.controller],
            to: [.runner],
            "One container that a host is to have. A tombstone asks for it to be stopped and removed at once.",
            [
                .instance, .host, .environment, .deployment, .organisation, .app,
                .required(
                    "role",
                    .oneOf([
                        .optional("web", .unlabelled(.web, "How it serves."), "Serves requests until it is stopped."),
                        .optional("release", .unlabelled(.hook, "What it runs."), "Runs once to its end."),
                    ]), "What it is for."),
                .required("goal", .closed(["running", "stopped"]), "What it is to be."), .image,
                .required("environmentVariables", .map(.string), "Variables that are not secret."),
                .optional("secrets", .sealed, "JSON object of the secret variables, sealed to the host."),
                .required("mounts", .mounts, "Writable directories in memory, by path."),
                .required("resources", .resources, "Limits of the instance."),
            ],
            example: {
                InstanceDesired(
                    instance: Example.instance, host: Example.host, environment: Example.environment,
                    deployment: Example.deployment, organisation: "acme", app: "shop", role: .web(Example.web),
                    goal: .running, image: Example.image, environmentVariables: ["LOG_LEVEL": "debug"],
                    secrets: try Example.sealed(), mounts: Example.app.run.mounts, resources: ResourceSpec())
            }),
        Entry(
            InstanceObserved.self, key: "{instance}", .internal, from: [.runner], to: [.controller],
            "What a runner agent sees of one container. A tombstone: the container is gone.",
            [
                .instance, .host, .environment, .deployment, .required("phase", phase, "Where the container is."),
                .required("restarts", .count, "How often it was started again."),
                .required("observedAt", .time, "When this was seen."),
            ],
            example: {
                InstanceObserved(
                    instance: Example.instance, host: Example.host, environment: Example.environment,
                    deployment: Example.deployment, phase: .ready(address: "10.0.0.11", port: 32_768), restarts: 0,
                    observedAt: Example.time)
            }),
    ]

    private static let phase = Schema.oneOf([
        .optional("starting", .object([]), "Being created, or running and not ready yet."),
        .optional(
            "ready",
            .object([
                .required("address", .string, "Where it is reached."), .required("port", .count, "And at which port."),
            ]), "The health check passes."),
        .optional("exited", .object([.required("code", .integer(), "The exit code.")]), "A one-off ended."),
        .optional("failed", .object([.required("reason", .string, "For the developer.")]), "It will not become ready."),
        .optional("stopped", .object([]), "Ended because it was asked to; the container is gone."),
    ])

    static let routes: [Entry] = [
        Entry(
            RouteDesired.self, key: "{hostname}", .internal, from: [.controller], to: [.ingress],
            "Where requests for one hostname go. A tombstone removes the route.",
            [
                .required("hostname", .string, "Lower case, without port or trailing dot."), .environment,
                .required("generation", .count, "Greater than that of every earlier change of any route."),
                .required(
                    "upstreams",
                    .array(
                        .object([
                            .instance, .required("address", .string, "Where the instance is reached."),
                            .required("port", .count, "And at which port."),
                        ])), "The instances that serve it; none: requests are answered 503."),
            ],
            example: {
                RouteDesired(
                    hostname: Example.hostname, environment: Example.environment, generation: 812,
                    upstreams: [.init(instance: Example.instance, address: "10.0.0.11", port: 32_768)])
            }),
        Entry(
            RoutesObserved.self, key: "{node}", .internal, from: [.ingress], to: [.controller],
            "What an ingress node serves. Written on every change and every few seconds.",
            [
                .required("node", .id(prefix: "ing"), "The ingress node."),
                .required("generation", .count, "The highest generation this node routes by."),
                .required("draining", .map(.count), "Requests in flight to instances that no route names any more."),
                .required("heartbeatAt", .time, "When this was written."),
            ],
            example: {
                RoutesObserved(
                    node: Example.node, generation: 812, draining: [Example.instance: 3], heartbeatAt: Example.time)
            }),
    ]
}
