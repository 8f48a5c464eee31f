// SPDX-License-Identifier: Apache-2.0
import Domain

extension Catalogue {
    static let builds: [Entry] = [
        Entry(
            BuildRequested.self, key: "{build}", .internal, from: [.controller], to: [.builder],
            "An image is wanted for a build identity that has none yet.",
            [
                .build, .identity, .deployment, .environment, .organisation, .app,
                .required("source", .source, "Where the commit is; the token is sealed to the builders."),
                .required("spec", .buildSpec, "What the image is made from."),
                .required(
                    "variables", .map(.variableValue), "Variables visible in builds; secret ones sealed to builders."),
            ],
            example: {
                BuildRequested(
                    build: Example.build, identity: Example.identity, deployment: Example.deployment,
                    environment: Example.environment, organisation: "acme", app: "shop",
                    source: try Example.source(),
                    spec: BuildSpec(source: .dockerfile("Dockerfile"), hook: "make assets"),
                    variables: ["LOG_LEVEL": .plain("debug"), "NPM_TOKEN": .sealed(try Example.sealed())])
            }),
        Entry(
            BuildCancelRequested.self, key: "{build}", .internal, from: [.controller], to: [.builder],
            "Nobody waits for this build any more.", [.build],
            example: { BuildCancelRequested(build: Example.build) }),
        Entry(
            BuildSucceeded.self, key: "{build}", .public, from: [.builder], to: [.controller, .panel],
            "The image of a build identity is there.",
            [
                .build, .identity, .deployment, .image,
                .required("imageBytes", .count, "Size of the image."),
                .required("wasReused", .boolean, "The identity was known and nothing was built."),
                .required("durationMilliseconds", .count, "Time the build took."),
            ],
            example: {
                BuildSucceeded(
                    build: Example.build, identity: Example.identity, deployment: Example.deployment,
                    image: Example.image, imageBytes: 148_322_304, wasReused: false, durationMilliseconds: 21_450)
            }),
        Entry(
            BuildFailed.self, key: "{build}", .public, from: [.builder], to: [.controller, .panel],
            "The build ended without an image.", [.build, .identity, .deployment, .reason],
            example: {
                BuildFailed(
                    build: Example.build, identity: Example.identity, deployment: Example.deployment,
                    reason: "the build hook `make assets` ended with exit code 2")
            }),
    ]

    static let services: [Entry] = [
        Entry(
            ServiceRequested.self, key: "{service}", .internal, from: [.controller], to: [.services],
            "An environment's manifest declares a service that it does not have yet.",
            [
                .service, .environment, .organisation, .app,
                .required("name", .string, "The name the manifest gives it."),
                .required("spec", .service, "What is wanted."),
            ],
            example: {
                ServiceRequested(
                    service: Example.service, environment: Example.environment, organisation: "acme", app: "shop",
                    name: "db", spec: Example.database)
            }),
        Entry(
            ServiceProvisioned.self, key: "{service}", .internal, from: [.services], to: [.controller],
            "The service is there.",
            [
                .service, .environment,
                .required("url", .sealed, "The URL with credentials, sealed to the controller."),
            ],
            example: {
                ServiceProvisioned(
                    service: Example.service, environment: Example.environment, url: try Example.sealed())
            }),
        Entry(
            ServiceFailed.self, key: "{service}", .internal, from: [.services], to: [.controller],
            "The service could not be provisioned.", [.service, .environment, .reason],
            example: {
                ServiceFailed(
                    service: Example.service, environment: Example.environment,
                    reason: "PostgreSQL 12 is not offered; use 15")
            }),
        Entry(
            ServiceRemovalRequested.self, key: "{service}", .internal, from: [.controller], to: [.services],
            "The environment is gone: its service and the data in it are to be removed.", [.service],
            example: { ServiceRemovalRequested(service: Example.service) }),
        Entry(
            ServiceRemoved.self, key: "{service}", .internal, from: [.services], to: [.controller],
            "The service and its data are gone.", [.service],
            example: { ServiceRemoved(service: Example.service) }),
    ]
}
