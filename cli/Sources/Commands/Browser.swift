// SPDX-License-Identifier: Apache-2.0
import Subprocess

enum Browser {
    /// - Returns: `false` without a desktop session or when nothing could be started.
    static func open(_ url: String, environment: [String: String]) async -> Bool {
        let displays = ["DISPLAY", "WAYLAND_DISPLAY"].compactMap { environment[$0] }
        guard displays.contains(where: { !$0.isEmpty }), url.hasPrefix("http://") || url.hasPrefix("https://") else {
            return false
        }
        // Some browsers stay in the foreground of xdg-open: the shell leaves it behind and returns.
        let script = #"command -v xdg-open >/dev/null || exit 1; xdg-open "$1" >/dev/null 2>&1 </dev/null &"#
        do {
            let result = try await Subprocess.run(
                .name("sh"), arguments: ["-c", script, "sh", url], output: .discarded, error: .discarded)
            return result.terminationStatus.isSuccess
        } catch {
            return false
        }
    }
}
