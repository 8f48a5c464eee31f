// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials
import Secrets

/// Values that the examples share: fixed, since golden samples are made of them.
enum Example {
    static let event = EventID("evt_01k2v9c4h7m0n3p5q8r1s6t2w4")
    static let time = Timestamp(microseconds: 1_767_225_600_123_456)
    static let environment = EnvironmentID("env_01k2v9a1b2c3d4e5f6g7h8j9k0")
    static let deployment = DeploymentID("dpl_01k2v9b7x3y5z8a2c4d6e9f1g3")
    static let build = BuildID("bld_01k2v9bc2d4e6f8g0h1j3k5m7n")
    static let service = ServiceInstanceID("svc_01k2v9bd5e7f9g1h3j5k7m9n1p")
    static let instance = InstanceID("ins_01k2v9be8f0g2h4j6k8m0n2p4q")
    static let host = HostID("hst_01k2v8zz1a3b5c7d9e1f3g5h7j")
    static let node = IngressNodeID("ing_01k2v8zy9x7w5v3t1s9r7q5p3n")
    static let letter = "evt_01k2v9bz6a8c0e2g4j6m8p0r2t"
    static let hostname = "main.shop.acme.example.org"
    static let commit = "9f2c1e7a4b6d8f0a1c3e5b7d9f1a3c5e7b9d1f3a"
    static let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    static let image = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    static let identity = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"

    /// Sealed to nobody: the form is that of a sealed value, and there is no key that opens it.
    static func sealed() throws -> Sealed {
        try JSONDecoder().decode(
            Sealed.self,
            from: Data(
                #"""
                {"keyId":"3f0a9c51be27","encapsulated":"ZW5jYXBzdWxhdGVkIGtleSBvZiAzMiBieXRlcyAuLi4=",
                "ciphertext":"Y2lwaGVydGV4dCBhbmQgdGFn"}
                """#.utf8))
    }

    static let buildSpec = BuildSpec(source: .runtime(language: "python", version: "3.13"), hook: "make assets")
    static let web = WebSpec(command: ["gunicorn", "shop.wsgi"], port: 8000)
    static let release = HookSpec(command: ["python", "manage.py", "migrate"])
    static let database = ServiceSpec(kind: .postgresql, version: "15")

    static let app = AppSpec(
        build: buildSpec,
        run: RunSpec(
            web: web, release: release, services: ["db": database], relationships: ["DATABASE_URL": "db"],
            instances: 2, environment: ["LOG_LEVEL": "info"],
            mounts: ["/var/cache/shop": MountSpec(sizeBytes: 64 << 20)]
        ))

    static func source() throws -> SourceLocation {
        SourceLocation(
            url: "http://panel.example.org/git/acme/shop.git", commit: commit, tree: tree, token: try sealed())
    }

    static func deadLetter() -> DeadLetter {
        DeadLetter(consumer: "panel", partition: 2, offset: 1742, record: parked, cause: "the data is damaged")
    }

    /// Written out, so that the sample of a dead letter does not change with the sample of what is parked in it.
    static let parked = Record(
        topic: Topic.deployments.name, key: environment.rawValue,
        headers: [
            "ce_specversion": "1.0", "ce_id": "evt_01k2v9by2x4v6t8r0p2n4m6k8j",
            "ce_type": DeploymentProgressed.type, "ce_source": "/slipway/controller",
            "ce_time": time.rfc3339, "ce_subject": environment.rawValue, "content-type": "application/json",
        ], value: Data(#"{"deployment":1}"#.utf8))
}
