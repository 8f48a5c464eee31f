// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Domain

struct DeadLettersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead-letters", abstract: "List, show, replay and discard what consumers could not handle.",
        subcommands: [List.self, Show.self, Replay.self, Discard.self], defaultSubcommand: List.self)

    enum Status: String, CaseIterable, ExpressibleByArgument {
        case parked, replayed, discarded, all
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List them, the latest first.")

        @Option(help: "Those of this consumer only.")
        var consumer: String?

        @Option(help: "parked, replayed, discarded or all.")
        var status = Status.parked

        @Option(name: [.customShort("n"), .long], help: "Show at most this many.")
        var limit = 50

        @Option(help: ArgumentHelp("Go on after this one, for the next page.", valueName: "id"))
        var before: String?

        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard (1...CLILimits.deadLettersMax).contains(limit) else {
                throw ValidationError("--limit is \(limit): expected 1 to \(CLILimits.deadLettersMax).")
            }
        }

        func run() async throws {
            let session = try Session.open()
            var query = [QueryItem("limit", "\(limit)")]
            if let consumer { query.append(QueryItem("consumer", consumer)) }
            if status != .all { query.append(QueryItem("status", status.rawValue)) }
            if let before { query.append(QueryItem("before", before)) }
            let document = try await session.client.get(.deadLetters, query: query)
            if output.json { return session.console.json(document) }
            let letters = try document.decode([DeadLetter].self)
            guard let first = letters.first, let last = letters.last else {
                session.console.note("There are no \(status == .all ? "" : "\(status.rawValue) ")dead letters.")
                return session.console.next("slipway events lag")
            }
            let now = session.context.now()
            var table = Table("ID", "CONSUMER", "TYPE", "PLACE", "STATUS", "PARKED", "CAUSE")
            for letter in letters {
                table.add(
                    .init(letter.id, .bold), .init(letter.consumer), .init(letter.type),
                    .init("\(letter.topic)/\(letter.partition)@\(letter.offset)"), .init(letter.status),
                    .init(TimeText.age(of: letter.parkedAt, now: now)), .init(EventText.shortened(letter.cause, 60)))
            }
            session.console.data(table.rendered(session.console.outputStyle))
            var steps = ["slipway events dead-letters show \(first.id)"]
            if let parked = letters.first(where: { $0.status == "parked" }) {
                steps.append("slipway events dead-letters replay \(parked.id)   (once its cause is mended)")
                steps.append("slipway events dead-letters discard \(parked.id)")
            }
            if letters.count == limit { steps.append("slipway events dead-letters list --before \(last.id)") }
            session.console.next(steps)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show one with its record; sealed values are shown sealed.")

        @Argument(help: "Its id, from \"slipway events dead-letters list\".")
        var id: String

        @OptionGroup var output: OutputOptions

        func run() async throws {
            let session = try Session.open()
            let document = try await session.client.get(RequestPath.deadLetters.appending(id))
            if output.json { return session.console.json(document) }
            let letter = try document.decode(DeadLetter.self)
            var fields = Fields()
            fields.add("Dead letter", letter.id, .bold)
            fields.add("Consumer", letter.consumer)
            fields.add("Cause", letter.cause, .red)
            fields.add("Parked", letter.parkedAt?.rfc3339)
            fields.add("Status", letter.status + (letter.decidedBy.map { " by \($0)" } ?? ""))
            fields.add("Place", "\(letter.topic), partition \(letter.partition), offset \(letter.offset)")
            fields.add("Key", letter.recordKey)
            for (name, value) in (letter.headers ?? [:]).sorted(by: { $0.key < $1.key }) {
                fields.add("Header", "\(name): \(value)")
            }
            if letter.valueOmitted == true {
                fields.add("Value", "not kept: it is too large, or no text", .dim)
            } else {
                fields.add("Value", letter.value ?? "none: it removes the key")
            }
            session.console.data(fields.rendered(session.console.outputStyle))
            guard letter.status == "parked" else { return }
            let discard = "slipway events dead-letters discard \(letter.id)"
            guard letter.canReplay != false else { return session.console.next(discard) }
            session.console.next(
                "slipway events dead-letters replay \(letter.id)   (once its cause is mended)", discard)
        }
    }

    struct Replay: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "replay", abstract: "Have the consumer handle it again.",
            discussion: "If that fails again, there is a new dead letter.")

        @Argument(help: "Its id, from \"slipway events dead-letters list\".")
        var id: String

        @OptionGroup var output: OutputOptions

        func run() async throws {
            let session = try Session.open()
            let document = try await session.client.post(
                RequestPath.deadLetters.appending(id, "replay"), NoBody())
            if output.json { session.console.json(document) }
            let letter = try document.decode(DeadLetter.self)
            session.console.note("\(letter.consumer) is asked to handle it again.")
            session.console.next(
                "slipway events dead-letters list --consumer \(letter.consumer)   (a new one means it failed again)")
        }
    }

    struct Discard: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "discard", abstract: "Decide that it is not to be handled.")

        @Argument(help: "Its id, from \"slipway events dead-letters list\".")
        var id: String

        @OptionGroup var output: OutputOptions

        func run() async throws {
            let session = try Session.open()
            let document = try await session.client.post(
                RequestPath.deadLetters.appending(id, "discard"), NoBody())
            if output.json { session.console.json(document) }
            session.console.note("Discarded \(id).")
            session.console.next("slipway events dead-letters list")
        }
    }
}
