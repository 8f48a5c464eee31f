// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlPanel

struct CatalogueCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "catalogue", abstract: "Print what is published of the event catalogue.", shouldDisplay: false,
        subcommands: [Document.self, Page.self, Samples.self])

    struct Document: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "asyncapi", abstract: "Print the AsyncAPI document.")

        func run() throws { print(try CatalogueFiles.asyncAPI(), terminator: "") }
    }

    struct Page: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the page for people, in Markdown.")

        func run() throws { print(try CatalogueFiles.page(), terminator: "") }
    }

    struct Samples: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add golden samples and released schemas that are missing; none is ever changed.")

        @Argument(help: "The folder that has or gets the folders Golden and Released.")
        var folder: String

        func run() throws {
            for path in try CatalogueFiles.addSamples(to: folder) { print(path) }
        }
    }
}
