// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import Synchronization

/// A small JSON file that tells where this process listens, written once all its listeners are bound.
///
/// With port 0 in the configuration the system chooses ports, and whoever started the process reads them here.
public final class RunFile: Sendable {
    private let path: String?
    private let state: Mutex<(expected: Set<String>, ports: [String: Int])>

    /// - Parameter path: `nil` writes nothing.
    public init(path: String?, listeners: Set<String>) {
        self.path = path
        state = Mutex((listeners, [:]))
    }

    public func bound(_ listener: String, port: Int?) {
        let ports = state.withLock { state -> [String: Int]? in
            state.ports[listener] = port
            return state.expected.isSubset(of: state.ports.keys) ? state.ports : nil
        }
        guard let path, let ports else { return }
        let entries = ports.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }
        let text = "{\"pid\":\(getpid())," + entries.joined(separator: ",") + "}\n"
        try? Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
    }
}
