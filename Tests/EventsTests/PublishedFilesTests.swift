// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Events

/// What is committed for others, beside what the code says today.
struct PublishedFilesTests {
    private let tests = Checkout.root.appending(path: "Tests/EventsTests")

    @Test func theDocumentsAreThoseOfTheCatalogue() throws {
        let document = try Data(contentsOf: Checkout.root.appending(path: "docs/asyncapi.json"))
        #expect(try document == AsyncAPI.document(), "docs/asyncapi.json is not the catalogue's: run `make docs`")
        let page = try String(contentsOf: Checkout.root.appending(path: "docs/events.md"), encoding: .utf8)
        #expect(try page == EventsPage.markdown(), "docs/events.md is not the catalogue's: run `make docs`")
    }

    @Test func everyTypeHasItsGoldenSampleAndItsReleasedSchema() throws {
        let golden = try Catalogue.missingFiles(
            beside: files("Golden"), suffix: Catalogue.goldenSuffix, content: Catalogue.goldenFile)
        #expect(golden.keys.sorted() == [], "the newest sample of a type is today's example: run `make docs`")
        let released = try Catalogue.missingFiles(
            beside: files("Released"), suffix: Catalogue.releasedSuffix, content: Catalogue.releasedFile)
        #expect(released.keys.sorted() == [], "the newest schema of a type is today's: run `make docs`")
    }

    /// A record of any age that is still on a topic, or in a dead letter, can be read.
    @Test func everyGoldenSampleIsRead() throws {
        let files = try files("Golden")
        #expect(files.count >= Catalogue.all.count)
        for (name, data) in files {
            let record = try JSONDecoder().decode(GoldenSample.self, from: data).record
            let type = try #require(record.type, "\(name)")
            #expect(name.hasPrefix("\(type)."), "\(name)")
            let entry = try #require(Catalogue.entry(type), "\(name): no type is ever removed")
            do { try entry.check(record) } catch { Issue.record("\(name) cannot be read any more: \(error)") }
        }
    }

    /// By the bytes: what a consumer that keeps fingerprints of values, or compares texts, relies on.
    @Test(arguments: Catalogue.all) func todaysEventsHaveTheGoldenBytes(entry: Catalogue.Entry) throws {
        let names = Catalogue.numbered(entry.type, suffix: Catalogue.goldenSuffix)
        let files = try files("Golden")
        let newest = try #require(names.last { files[$0] != nil })
        let golden = try JSONDecoder().decode(GoldenSample.self, from: #require(files[newest])).record
        let today = try entry.example()
        #expect(today == golden)
    }

    @Test func nothingThatWasReleasedIsBroken() throws {
        let released = try files("Released").sorted { $0.key < $1.key }.map { name, data in
            let released = try JSONDecoder().decode(ReleasedType.self, from: data)
            #expect(name.hasPrefix("\(released.type)."), "\(name)")
            return released
        }
        #expect(released.count >= Catalogue.all.count)
        let breaks = Compatibility.breaks(released: released, current: Catalogue.all.map(ReleasedType.init))
        for one in breaks { Issue.record("\(one); keep it and add a new version of the type") }
    }

    private func files(_ folder: String) throws -> [String: Data] {
        let urls = try FileManager.default.contentsOfDirectory(
            at: tests.appending(path: folder), includingPropertiesForKeys: nil)
        return try Dictionary(uniqueKeysWithValues: urls.map { ($0.lastPathComponent, try Data(contentsOf: $0)) })
    }
}

struct MissingFilesTests {
    private let entry = Catalogue.all[0]

    private func missing(_ files: [String: String]) -> [String: String] {
        let data = files.mapValues { Data($0.utf8) }
        return Catalogue.missingFiles(beside: data, suffix: ".json") { Data($0.type.utf8) }
            .filter { $0.key.hasPrefix(entry.type) }.mapValues { String(decoding: $0, as: UTF8.self) }
    }

    @Test func theFirstFileOfATypeIsAdded() {
        #expect(missing([:]) == ["\(entry.type).json": entry.type])
    }

    @Test func theSameContentIsNotAddedAgain() {
        #expect(missing(["\(entry.type).json": entry.type]).isEmpty)
        #expect(missing(["\(entry.type).json": "old", "\(entry.type).2.json": entry.type]).isEmpty)
    }

    @Test func otherContentGetsTheNextNumberAndNothingIsOverwritten() {
        #expect(missing(["\(entry.type).json": "old"]) == ["\(entry.type).2.json": entry.type])
        #expect(
            missing(["\(entry.type).json": entry.type, "\(entry.type).2.json": "other"])
                == ["\(entry.type).3.json": entry.type])
    }
}
