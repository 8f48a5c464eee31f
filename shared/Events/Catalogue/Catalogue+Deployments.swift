// SPDX-License-Identifier: Apache-2.0
import Domain

extension Catalogue {
    static let environments: [Entry] = [
        Entry(
            EnvironmentDesired.self, key: "{environment}", .public, from: [.panel], to: [.controller],
            "What the users of an environment want of it. A tombstone asks for its removal.",
            [
                .environment, .organisation, .app, .required("name", .string, "Name of the environment: its branch."),
                .hostname,
            ],
            example: {
                EnvironmentDesired(
                    environment: Example.environment, organisation: "acme", app: "shop", name: "main",
                    hostname: Example.hostname)
            })
    ]

    static let deployments: [Entry] = [
        Entry(
            DeploymentRequested.self, key: "{environment}", .internal, from: [.panel], to: [.controller],
            "A deployment was asked for, with everything it takes to carry it out.",
            [
                .deployment, .environment, .organisation, .app,
                .required("environmentName", .string, "Name of the environment: its branch."), .hostname,
                .required("kind", .closed(["push", "redeploy", "rollback", "variables"]), "Why it was asked for."),
                .required("source", .source, "Where the commit is; the token is sealed to the controller."),
                .required("spec", .app, "The manifest of the commit, with every default filled in."),
                .required(
                    "variables",
                    .map(
                        .object([
                            .required("value", .variableValue, "The value."),
                            .required("visibleInBuild", .boolean, "Builds see it as well as instances."),
                            .required("revision", .integer(), "Changes whenever the value does."),
                        ])), "What users set, by name; sealed values are sealed to the controller."),
                .required("buildIdentity", .string, "Equal identities have one image."),
                .optional("image", .string, "Set by a rollback: the image to run, so that nothing is built."),
            ],
            example: {
                DeploymentRequested(
                    deployment: Example.deployment, environment: Example.environment, organisation: "acme",
                    app: "shop", environmentName: "main", hostname: Example.hostname, kind: .push,
                    source: try Example.source(), spec: Example.app,
                    variables: [
                        "LOG_LEVEL": Variable(value: .plain("debug"), visibleInBuild: true, revision: 3),
                        "SECRET_KEY": Variable(
                            value: .sealed(try Example.sealed()), visibleInBuild: false, revision: 1),
                    ], buildIdentity: Example.identity, image: Example.image)
            }),
        Entry(
            DeploymentCancelRequested.self, key: "{environment}", .internal, from: [.panel], to: [.controller],
            "A user asked for a running or queued deployment to end.", [.deployment, .environment],
            example: {
                DeploymentCancelRequested(deployment: Example.deployment, environment: Example.environment)
            }),
        Entry(
            DeploymentProgressed.self, key: "{environment}", .public, from: [.controller], to: [.panel],
            "A deployment entered a stage, or has something to say in it.",
            [
                .deployment, .environment, .stage,
                .required("message", .string, "One line for the developer."),
                .required("sequence", .count, "Counts up within the deployment: the order to show messages in."),
            ],
            example: {
                DeploymentProgressed(
                    deployment: Example.deployment, environment: Example.environment, stage: .switching,
                    message: "switching requests to 2 new instances", sequence: 7)
            }),
        Entry(
            DeploymentSucceeded.self, key: "{environment}", .public, from: [.controller], to: [.panel],
            "The deployment is live and is the environment's current release.",
            [
                .deployment, .environment, .image,
                .required("imageWasReused", .boolean, "Nothing was built: the identity was known."),
                .required("instances", .array(.id(prefix: "ins")), "The instances that serve it."),
            ],
            example: {
                DeploymentSucceeded(
                    deployment: Example.deployment, environment: Example.environment, image: Example.image,
                    imageWasReused: false, instances: [Example.instance])
            }),
        Entry(
            DeploymentFailed.self, key: "{environment}", .public, from: [.controller], to: [.panel],
            "The deployment ended without effect; what ran before goes on running.",
            [
                .deployment, .environment, .stage, .reason,
                .required("wasCancelled", .boolean, "A user ended it."),
            ],
            example: {
                DeploymentFailed(
                    deployment: Example.deployment, environment: Example.environment, stage: .release,
                    reason: "the release hook ended with exit code 1; see its log", wasCancelled: false)
            }),
    ]
}
