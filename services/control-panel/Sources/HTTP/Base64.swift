// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// RFC 4648, section 4.
enum Base64 {
    static func decode(_ text: some StringProtocol) -> Data? { Data(base64Encoded: String(text)) }
}

/// RFC 4648, section 5, without padding.
enum Base64URL {
    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    static func decode(_ text: some StringProtocol) -> Data? {
        let standard = String(text).replacing("-", with: "+").replacing("_", with: "/")
        return Data(base64Encoded: standard + String(repeating: "=", count: (4 - standard.utf8.count % 4) % 4))
    }
}
