// SPDX-License-Identifier: Apache-2.0

/// The panel a command talks to, and the token it shows there.
struct Login: Equatable, Sendable {
    let address: PanelAddress
    let token: String

    /// The environment's values win over the remembered ones. A remembered token is given to no other panel than the
    /// one it was remembered for.
    static func resolve(environment: [String: String], stored: StoredLogin?) throws(CLIError) -> Login {
        let address = try panel(environment: environment, stored: stored)
        if let token = value("SLIPWAY_TOKEN", environment) {
            return Login(address: address, token: try checked(token))
        }
        guard let stored, PanelAddress(stored.url) == address else {
            throw CLIError(
                "there is no token for \(address)", hint: "Set SLIPWAY_TOKEN or log in: slipway login --url \(address)")
        }
        return Login(address: address, token: try checked(stored.token))
    }

    private static func panel(environment: [String: String], stored: StoredLogin?) throws(CLIError) -> PanelAddress {
        if let text = value("SLIPWAY_URL", environment) {
            guard let address = PanelAddress(text) else {
                throw CLIError("SLIPWAY_URL is \"\(text)\": expected \(PanelAddress.rule)")
            }
            return address
        }
        guard let stored else {
            throw CLIError(
                "you are not logged in",
                hint: "Log in: slipway login --url https://panel.example.com (or set SLIPWAY_URL and SLIPWAY_TOKEN)")
        }
        guard let address = PanelAddress(stored.url) else {
            throw CLIError(
                "the remembered address \"\(stored.url)\" is not \(PanelAddress.rule)",
                hint: "Log in again: slipway login --url URL")
        }
        return address
    }

    /// A token goes into a header: it must not be able to end it.
    static func checked(_ text: String) throws(CLIError) -> String {
        let token = trimmed(text)
        guard !token.isEmpty else { throw CLIError("the token is empty", hint: "Tokens begin with slp_.") }
        guard token.utf8.count <= CLILimits.tokenBytesMax, token.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw CLIError("the token is not one line of printable characters", hint: "Tokens begin with slp_.")
        }
        return token
    }

    private static func trimmed(_ text: String) -> String {
        var rest = text[...]
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }

    private static func value(_ name: String, _ environment: [String: String]) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}
