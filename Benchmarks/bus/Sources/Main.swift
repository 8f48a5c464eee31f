// SPDX-License-Identifier: Apache-2.0
import EventBus
import Events
import Glibc

/// One measurement of the bus: `bus-bench MODE name=value…`. Prints its figures as one line of JSON. Run by bench.py.
@main
struct Main {
    static func main() async {
        do {
            let options = try Options(Array(CommandLine.arguments.dropFirst()))
            let figures =
                switch options.mode {
                case "prepare": try await prepare(options)
                case "produce": try await produce(options)
                case "consume": try await consume(options)
                case "sustained": try await sustained(options)
                case "latency": try await latency(options)
                case "outbox": try await outbox(options)
                case "fill-states": try await fillStates(options)
                case "snapshot": try await snapshot(options)
                default: throw BusError("there is no mode \(options.mode)")
                }
            print("{" + figures.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}")
        } catch {
            _ = "bus-bench: \(error)\n".withCString { write(STDERR_FILENO, $0, strlen($0)) }
            exit(1)
        }
    }
}

typealias Figures = [(String, Double)]

struct Options: Sendable {
    let mode: String
    private let values: [String: String]

    init(_ arguments: [String]) throws {
        guard let mode = arguments.first else { throw BusError("usage: bus-bench MODE name=value…") }
        self.mode = mode
        var values: [String: String] = [:]
        for argument in arguments.dropFirst() {
            guard let sign = argument.firstIndex(of: "=") else { throw BusError("\(argument) is not name=value") }
            values[String(argument[..<sign])] = String(argument[argument.index(after: sign)...])
        }
        self.values = values
    }

    func string(_ name: String) throws -> String {
        guard let value = values[name] else { throw BusError("\(mode) needs \(name)=…") }
        return value
    }

    func int(_ name: String) throws -> Int {
        guard let value = Int(try string(name)), value > 0 else { throw BusError("\(name) is not a number above 0") }
        return value
    }
}
