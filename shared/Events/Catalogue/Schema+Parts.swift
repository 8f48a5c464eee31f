// SPDX-License-Identifier: Apache-2.0

/// Shapes that several payloads share, and properties that mean the same everywhere.
extension Schema {
    static let sealed = object([
        .required("keyId", .string, "First 12 hexadecimal digits of the SHA-256 of the public key it is sealed to."),
        .required("encapsulated", .base64, "The encapsulated key of HPKE (RFC 9180), 32 bytes."),
        .required("ciphertext", .base64, "Ciphertext and tag."),
    ])

    static let source = object([
        .required("url", .string, "Git over HTTP."),
        .required("commit", .string, "The commit to build."),
        .required("tree", .string, "Tree of the commit, 40 or 64 hexadecimal digits."),
        .required("token", sealed, "Short-lived token that may read this repository only."),
    ])

    static let buildSpec = object([
        .required(
            "source",
            .oneOf([
                .optional("dockerfile", unlabelled(.string, "Path inside the repository."), "Built from a Dockerfile."),
                .optional(
                    "runtime",
                    .object([
                        .required("language", .string, "Such as `python`."),
                        .required("version", .string, "Such as `3.13`."),
                    ]), "Built on the image of a language."),
            ]), "What the image is made from."),
        .optional("hook", .string, "Shell command that runs in the image once dependencies are installed."),
    ])

    static let web = object([
        .optional("command", .array(.string), "Program and arguments; absent: what the image names."),
        .required("port", count, "TCP port that the program listens on inside the container."),
        .required(
            "health",
            .object([
                .required("path", .string, "An instance is ready once a GET of it answers 2xx or 3xx."),
                .required("intervalMilliseconds", count, "Time between checks."),
                .required("timeoutMilliseconds", count, "Time one check may take."),
                .required("deadlineMilliseconds", count, "Not ready this long after the start: failed."),
            ]), "How readiness is found out."),
        .required("stopGraceSeconds", count, "Seconds between SIGTERM and SIGKILL."),
    ])

    static let hook = object([
        .required("command", .array(.string), "Program and arguments."),
        .required("timeoutSeconds", count, "Seconds it may run."),
    ])

    static let service = object([
        .required("kind", .closed(["postgresql"]), "What is provisioned."),
        .required("version", .string, "Major version."),
    ])

    static let mounts = map(
        object([.required("sizeBytes", count, "Size of the directory in memory.")]))

    static let resources = object([
        .required("memoryBytes", count, "Hard memory limit of one instance."),
        .required("cpuMillis", count, "Thousandths of a core one instance may use."),
        .required("pidsMax", count, "Processes and threads one instance may have."),
    ])

    static let app = object([
        .required("build", buildSpec, "Decides what the image holds."),
        .required(
            "run",
            .object([
                .required("web", web, "What serves requests."),
                .optional("release", hook, "Runs once per deployment, before anything starts."),
                .required("services", .map(service), "By the name the manifest gives them."),
                .required("relationships", .map(.string), "Variable that receives a service's URL, to the service."),
                .required("instances", count, "How many instances of `web` run."),
                .required("environment", .map(.string), "Variables from the manifest."),
                .required("mounts", mounts, "Writable directories in memory, by path."),
                .required("resources", resources, "Limits of one instance."),
            ]), "Decides how it is run."),
    ])

    static let variableValue = oneOf([
        .optional("plain", unlabelled(.string, "The value."), "Readable."),
        .optional("sealed", unlabelled(sealed, "The value, sealed to its reader."), "Secret."),
    ])

    static let headers = map(string)

    /// A value without a name inside its case.
    static func unlabelled(_ schema: Schema, _ description: String) -> Schema {
        object([.required("_0", schema, description)])
    }
}

extension Schema.Property {
    static let deployment = required("deployment", .id(prefix: "dpl"), "The deployment.")
    static let environment = required("environment", .id(prefix: "env"), "The environment.")
    static let build = required("build", .id(prefix: "bld"), "The build.")
    static let service = required("service", .id(prefix: "svc"), "The service instance.")
    static let instance = required("instance", .id(prefix: "ins"), "The instance.")
    static let host = required("host", .id(prefix: "hst"), "The host.")
    static let organisation = required("organisation", .string, "Name of the organisation.")
    static let app = required("app", .string, "Name of the app.")
    static let hostname = required("hostname", .string, "The hostname the environment answers on.")
    static let identity = required(
        "identity", .string, "Hash of the tree and everything build-relevant: equal identities have one image.")
    static let reason = required("reason", .string, "What went wrong and what to do, for the developer.")
    static let stage = required(
        "stage",
        .open(["queued", "build", "provision", "place", "release", "start", "switch", "drain", "finished"]),
        "The stage of the deployment.")
    static let image = required("image", .string, "Content address: `sha256:…`, or `registry/name@sha256:…`.")
}
