// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials

/// This node's id, made once and kept in the state directory: a restarted node goes on under its name.
enum NodeIdentity {
    static func loadOrCreate(in directory: String) throws -> IngressNodeID {
        let path = directory + "/node"
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            if FileManager.default.fileExists(atPath: path) {
                let text = try String(contentsOfFile: path, encoding: .utf8)
                guard let id = parse(text) else {
                    throw IngressError("\(path) does not hold a node id; remove the file to have a new one made")
                }
                return id
            }
            let id = IngressNodeID.generate()
            try Data("\(id.rawValue)\n".utf8).write(to: URL(filePath: path), options: .atomic)
            return id
        } catch let error as IngressError {
            throw error
        } catch {
            throw IngressError(
                "SLIPWAY_INGRESS_STATE: \(directory) cannot be used: \(error). "
                    + "Name a directory that can be written to.")
        }
    }

    static func parse(_ text: String) -> IngressNodeID? {
        var text = text
        while text.last?.isNewline == true { text.removeLast() }
        let bytes = Array(text.utf8)
        guard text.hasPrefix("ing_"), bytes.count == 30,
            bytes.dropFirst(4).allSatisfy({ ASCII.isDigit($0) || ASCII.isLetter($0) && ASCII.lowercased($0) == $0 })
        else { return nil }
        return IngressNodeID(text)
    }
}
