// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// What a git command is given: an environment of its own, in which credentials travel, and arguments, in which they
/// never do, since every user of the machine can read those.
struct GitInvocation: Sendable, Hashable {
    var arguments: [String]
    var environment: [String: String]

    /// - Parameters:
    ///   - home: a folder in which git finds no configuration.
    ///   - token: password for HTTP.
    ///   - protocols: transports that may be used; all others are refused.
    init(_ arguments: [String], home: String, token: String? = nil, protocols: [String] = []) {
        self.arguments = arguments
        var settings: [(key: String, value: String)] = [
            ("protocol.allow", "never"), ("core.hooksPath", "/dev/null"), ("core.fsmonitor", "false"),
            ("credential.helper", ""), ("gc.auto", "0"), ("maintenance.auto", "false"),
            ("advice.detachedHead", "false"), ("init.defaultBranch", "main"), ("submodule.recurse", "false"),
            // A redirect would carry the credentials to another place.
            ("http.followRedirects", "false"), ("http.lowSpeedLimit", "1000"), ("http.lowSpeedTime", "30"),
        ]
        for name in protocols { settings.append(("protocol.\(name).allow", "always")) }
        if let token { settings.append(("http.extraHeader", "Authorization: Basic \(Self.basic(token))")) }
        var environment = [
            "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": home, "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": String(settings.count),
        ]
        for (index, setting) in settings.enumerated() {
            environment["GIT_CONFIG_KEY_\(index)"] = setting.key
            environment["GIT_CONFIG_VALUE_\(index)"] = setting.value
        }
        self.environment = environment
    }

    /// The user's name does not matter to the panel.
    static func basic(_ token: String) -> String { Data("builder:\(token)".utf8).base64EncodedString() }

    /// 40 or 64 lower-case hexadecimal digits: never taken for an option or another revision.
    static func isObjectName(_ text: String) -> Bool {
        (text.utf8.count == 40 || text.utf8.count == 64)
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
