// SPDX-License-Identifier: Apache-2.0
import Events
import FoundationEssentials

/// What is published of the event catalogue, for `make docs`.
public enum CatalogueFiles {
    public static func asyncAPI() throws -> String { String(decoding: try AsyncAPI.document(), as: UTF8.self) }

    public static func page() throws -> String { try EventsPage.markdown() }

    /// Adds golden samples and released schemas that `folder` does not have yet; changes and removes nothing.
    ///
    /// - Returns: the paths of the files added.
    public static func addSamples(to folder: String) throws -> [String] {
        try add(to: "\(folder)/Golden", suffix: Catalogue.goldenSuffix, Catalogue.goldenFile)
            + add(to: "\(folder)/Released", suffix: Catalogue.releasedSuffix, Catalogue.releasedFile)
    }

    private static func add(
        to folder: String, suffix: String, _ content: (Catalogue.Entry) throws -> Data
    ) throws -> [String] {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var files: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            files[name] = try Data(contentsOf: URL(filePath: "\(folder)/\(name)"))
        }
        let missing = try Catalogue.missingFiles(beside: files, suffix: suffix, content: content)
        for (name, data) in missing {
            try data.write(to: URL(filePath: "\(folder)/\(name)"), options: .withoutOverwriting)
        }
        return missing.keys.map { "\(folder)/\($0)" }.sorted()
    }
}
