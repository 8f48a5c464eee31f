// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Secrets
import ServiceKit

/// What the panel is told about itself and its surroundings.
struct PanelConfiguration: Sendable {
    /// Where users and builders reach the panel, without a slash at the end.
    var url: String
    /// Folder of the bare Git repositories.
    var repositories: String
    /// Applications answer at names under this one.
    var domain: String
    /// How a user reaches an application; `{hostname}` stands for its name.
    var appURL: String
    /// Secrets and clone tokens are sealed to the controller.
    var controllerKey: PublicSealingKey
    var cloneTokens: CloneTokens
    var fingerprints: RequestFingerprints
    /// The program that Git runs as `pre-receive` hook, with its arguments.
    var hookCommand: [String]

    func url(ofHostname hostname: String) -> String {
        appURL.replacing("{hostname}", with: hostname)
    }

    func gitURL(organisation: String, app: String) -> String {
        "\(url)/git/\(organisation)/\(app).git"
    }
}

extension PanelConfiguration {
    /// - Returns: `nil` only when `settings` recorded a problem.
    static func read(_ settings: inout Settings) -> PanelConfiguration? {
        let url = settings.value("panel.url", expected: "an http:// or https:// URL") { text in
            isWebURL(text) ? withoutTrailingSlash(text) : nil
        }
        let repositories = settings.value("panel.repositories", expected: "an absolute path") { text in
            text.hasPrefix("/") ? withoutTrailingSlash(text) : nil
        }
        let domain = settings.value("panel.domain", expected: "a DNS name, such as apps.example.org") { text in
            Hostname.isDomain(text) ? text : nil
        }
        let appURL = settings.string(
            "panel.app.url", default: "http://{hostname}", expected: "a URL that holds {hostname}")
        let controllerKey = settings.value("controller.public.key", expected: "32 bytes in base64") { text in
            try? PublicSealingKey(base64: text)
        }
        let tokenKey = settings.value(
            "panel.token.key", isSecret: true, expected: "a random text of at least 32 characters"
        ) { text in
            text.utf8.count >= 32 ? text : nil
        }
        guard let url, let repositories, let domain, let controllerKey, let tokenKey else { return nil }
        return PanelConfiguration(
            url: url, repositories: repositories, domain: domain, appURL: withoutTrailingSlash(appURL),
            controllerKey: controllerKey, cloneTokens: CloneTokens(secret: tokenKey),
            fingerprints: RequestFingerprints(secret: tokenKey), hookCommand: [ownPath(), "pre-receive"])
    }

    private static func isWebURL(_ text: String) -> Bool {
        (text.hasPrefix("http://") || text.hasPrefix("https://")) && text.utf8.count > 8 && !text.contains(" ")
    }

    private static func withoutTrailingSlash(_ text: String) -> String {
        var text = text
        while text.count > 1, text.hasSuffix("/") { text.removeLast() }
        return text
    }

    private static func ownPath() -> String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "slipway-panel"
    }
}
