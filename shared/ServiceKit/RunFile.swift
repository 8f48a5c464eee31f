// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import Logging
import Synchronization

/// A small JSON file that tells where this process listens, written once all its listeners are bound.
///
/// With port 0 in the configuration the system chooses ports, and whoever started the process reads them here.
public final class RunFile: Sendable {
    private let path: String?
    private let logger: Logger
    private let state: Mutex<(expected: Set<String>, ports: [String: Int])>

    /// - Parameter path: `nil` writes nothing.
    public init(path: String?, listeners: Set<String>, logger: Logger) {
        self.path = path
        self.logger = logger
        state = Mutex((listeners, [:]))
    }

    /// A file that cannot be written is an error in the log: the process serves, and only who started it waits in vain.
    public func bound(_ listener: String, port: Int?) {
        let ports = state.withLock { state -> [String: Int]? in
            state.ports[listener] = port
            return state.expected.isSubset(of: state.ports.keys) ? state.ports : nil
        }
        guard let path, let ports else { return }
        let entries = ports.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }
        let text = "{\"pid\":\(getpid())," + entries.joined(separator: ",") + "}\n"
        do {
            try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
        } catch {
            logger.error(
                "the run file cannot be written: SLIPWAY_RUN_FILE names a file in a folder that this process can write",
                metadata: ["path": "\(path)", "error": "\(error)"])
        }
    }
}
