// SPDX-License-Identifier: Apache-2.0
import Crypto
import Domain
import FoundationEssentials

/// Tokens with which a builder may read one repository for a while. Nothing is stored: they are signed.
struct CloneTokens: Sendable, CustomStringConvertible, CustomReflectable {
    static let prefix = "slc_"
    private let key: SymmetricKey

    init(secret: String) {
        key = SymmetricKey(data: SHA256.hash(data: Data("slipway clone tokens v1\n\(secret)".utf8)))
    }

    func issue(for app: AppID, now: Timestamp) -> String {
        let expiry = now.advanced(by: PanelLimits.cloneTokenLife)
        let payload = Data("\(app)\n\(expiry.microseconds)".utf8)
        let code = HMAC<SHA256>.authenticationCode(for: payload, using: key)
        return Self.prefix + Base64URL.encode(payload) + "." + Base64URL.encode(code)
    }

    /// Whether `token` was issued here for this app and has not expired.
    func isValid(_ token: String, for app: AppID, now: Timestamp) -> Bool {
        guard token.hasPrefix(Self.prefix) else { return false }
        let parts = token.dropFirst(Self.prefix.count).split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let payload = Base64URL.decode(parts[0]), let code = Base64URL.decode(parts[1]),
            HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: payload, using: key)
        else { return false }
        let fields = String(decoding: payload, as: UTF8.self).split(separator: "\n")
        guard fields.count == 2, fields[0] == app.rawValue, let expiry = Int64(fields[1]) else { return false }
        return now < Timestamp(microseconds: expiry)
    }

    var description: String { "CloneTokens" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
