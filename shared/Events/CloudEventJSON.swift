// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

extension Record {
    /// The CloudEvent in structured mode (CloudEvents 1.0, JSON event format), on one line: the attributes without
    /// the `ce_` prefix, sorted, then `data` with its numbers and texts as they came. A tombstone has no `data`; data
    /// that is not of a JSON media type is given as `data_base64`. Headers that are no attributes are left out.
    ///
    /// - Throws: `EventError` naming the header that is missing or invalid, or telling that the data is not JSON.
    public func structuredJSON() throws -> Data {
        let checked = try CloudEvents.Attributes(self)
        var attributes: [String: String] = [:]
        attributes["traceparent"] = traceparent
        for (header, value) in headers where header.hasPrefix(CloudEvents.headerPrefix) {
            let name = header.dropFirst(CloudEvents.headerPrefix.count)
            if CloudEvents.isAttributeName(name) { attributes[String(name)] = value }
        }
        attributes["datacontenttype"] = value == nil ? nil : contentType
        var json = try CloudEvents.encoder.encode(attributes)
        guard let value else { return json }
        json.removeLast()
        if checked.dataIsJSON {
            guard JSONSyntax.isValid(value) else {
                throw EventError.malformed(type: checked.type, detail: "not JSON")
            }
            json.append(contentsOf: Data(#","data":"#.utf8))
            // Line breaks stand between the tokens of JSON and nowhere else.
            json.append(contentsOf: value.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 })
        } else {
            json.append(contentsOf: Data(#","data_base64":""#.utf8) + value.base64EncodedData() + Data(#"""#.utf8))
        }
        json.append(UInt8(ascii: "}"))
        return json
    }
}
