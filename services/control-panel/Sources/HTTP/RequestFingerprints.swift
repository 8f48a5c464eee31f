// SPDX-License-Identifier: Apache-2.0
import Crypto
import FoundationEssentials
import HTTPTypes

/// Tells whether two requests are the same without keeping them. A request may hold a secret that somebody who reads
/// the database could guess from a plain hash, so it takes the installation's key to compute one.
struct RequestFingerprints: Sendable, CustomStringConvertible, CustomReflectable {
    private let key: SymmetricKey

    init(secret: String) {
        key = SymmetricKey(data: SHA256.hash(data: Data("slipway request fingerprints v1\n\(secret)".utf8)))
    }

    func fingerprint(method: HTTPRequest.Method, path: String, body: [UInt8]) -> [UInt8] {
        var code = HMAC<SHA256>(key: key)
        code.update(data: Data("\(method.rawValue) \(path)\n".utf8))
        code.update(data: Data(body))
        return Array(code.finalize())
    }

    var description: String { "RequestFingerprints" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
