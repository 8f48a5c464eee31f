// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials
import Postgres
import ServiceKit

/// `slipway-panel create-user`: how the first user comes into an installation.
public enum CreateUser {
    public struct Refusal: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// Creates user and organisation where they are missing and returns the text of a new token.
    ///
    /// Works beside a running panel and before its first start.
    ///
    /// - Parameter isOperator: makes the user an operator of the installation; `false` leaves the user as it is.
    public static func run(
        email: String, organisation: String, tokenName: String, isOperator: Bool = false,
        environment: [String: String]
    ) async throws -> String {
        guard isEmail(email) else { throw Refusal(description: "--email \"\(email)\" is not an e-mail address") }
        guard Slug.isValid(organisation) else {
            throw Refusal(description: "--organisation \"\(organisation)\": expected \(Slug.rule)")
        }
        guard !tokenName.isEmpty, tokenName.count <= PanelLimits.nameCharactersMax else {
            throw Refusal(description: "--token-name: expected 1 to \(PanelLimits.nameCharactersMax) characters")
        }
        var settings = try Settings.load(environment)
        let url = settings.string("database.url", isSecret: true, expected: "a postgres:// URL")
        try settings.check()
        let pool = PostgresPool(.init(url: url, name: "slipway-panel-create-user", connectionsMax: 1))
        let result: Result<String, any Error>
        do {
            try await pool.migrate(panelMigrations)
            let secret = try await AccountStore(pool: pool).createUser(
                email: email, organisation: organisation, tokenName: tokenName, isOperator: isOperator)
            result = .success(secret.text)
        } catch {
            result = .failure(error)
        }
        await pool.close()
        return try result.get()
    }

    static func isEmail(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { !$0.isEmpty } && text.utf8.count <= PanelLimits.emailBytesMax
            && text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7f }
    }
}
