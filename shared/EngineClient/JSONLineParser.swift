// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// Splits a stream of JSON objects, one a line, that arrives in any pieces. Empty lines are skipped.
struct JSONLineParser: Sendable {
    private var line: [UInt8] = []

    /// The objects that `bytes` completes, undecoded.
    ///
    /// - Throws: `EngineError` when an object is larger than `EngineLimits.messageBytesMax`.
    mutating func append(_ bytes: some Sequence<UInt8>) throws -> [Data] {
        var messages: [Data] = []
        for byte in bytes {
            if byte == 0x0a || byte == 0x0d {
                if let message = take() { messages.append(message) }
            } else {
                guard line.count < EngineLimits.messageBytesMax else {
                    throw EngineError(
                        code: .protocol,
                        message: "a message of the engine has more than \(EngineLimits.messageBytesMax) bytes")
                }
                line.append(byte)
            }
        }
        return messages
    }

    /// The last object, when the stream ended without a line end.
    mutating func finish() -> Data? { take() }

    private mutating func take() -> Data? {
        defer { line.removeAll(keepingCapacity: true) }
        return line.contains { $0 != 0x20 && $0 != 0x09 } ? Data(line) : nil
    }
}

/// One message of an image build or pull.
struct ProgressMessage: Decodable, Sendable, Hashable {
    /// Text as the build step wrote it: any piece of a line, or several.
    var stream: String?
    var status: String?
    var id: String?
    var isProgress = false
    var error: String?
    var errorCode: Int?
    var imageID: String?

    private enum CodingKeys: String, CodingKey {
        case stream, status, id, progress, error, errorDetail, aux
    }

    private struct ErrorDetail: Decodable {
        var code: Int?
        var message: String?
    }

    private struct Aux: Decodable {
        var id: String?

        enum CodingKeys: String, CodingKey { case id = "ID" }
    }

    init() {}

    init(from decoder: any Decoder) throws {
        // Each field on its own: engines differ in what they add, and an unknown form of one must not hide the others.
        let container = try decoder.container(keyedBy: CodingKeys.self)
        stream = try? container.decodeIfPresent(String.self, forKey: .stream)
        status = try? container.decodeIfPresent(String.self, forKey: .status)
        id = try? container.decodeIfPresent(String.self, forKey: .id)
        isProgress = container.contains(.progress)
        let detail = try? container.decodeIfPresent(ErrorDetail.self, forKey: .errorDetail)
        error = detail?.message ?? (try? container.decodeIfPresent(String.self, forKey: .error))
        errorCode = detail?.code
        imageID = (try? container.decodeIfPresent(Aux.self, forKey: .aux))?.id
    }
}

/// Turns the messages of a build or pull into lines of text, and remembers how it ended.
struct ProgressReader: Sendable {
    private var parser = JSONLineParser()
    private var text = LineAssembler(lineBytesMax: EngineLimits.lineBytesMax)
    private(set) var imageID: String?
    /// The engine's reason for giving up.
    private(set) var failure: EngineError?

    mutating func append(_ bytes: some Sequence<UInt8>) throws -> [String] {
        var lines: [String] = []
        for message in try parser.append(bytes) { lines += read(message) }
        return lines
    }

    mutating func finish() -> [String] {
        var lines = parser.finish().map { read($0) } ?? []
        if let rest = text.finish() { lines.append(rest) }
        return lines
    }

    private mutating func read(_ data: Data) -> [String] {
        guard let message = try? JSONDecoder().decode(ProgressMessage.self, from: data) else { return [] }
        if let id = message.imageID { imageID = id }
        if let error = message.error {
            failure = EngineError(code: .refused, status: message.errorCode, message: error)
        }
        if let stream = message.stream { return text.append(stream.utf8) }
        // Progress bars repeat many times a second; the changes of status between them tell enough.
        guard let status = message.status, !message.isProgress else { return [] }
        return [message.id.map { "\($0): \(status)" } ?? status]
    }
}
