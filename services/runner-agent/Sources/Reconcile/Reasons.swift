// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import Events

/// Why an instance failed, in words for its developer.
enum Reasons {
    static let releaseLost =
        "the container of the release hook is gone, so whether the hook finished is unknown: check its effects, then "
        + "deploy again"

    static func notReady(_ web: WebSpec, lastProbe: String?) -> String {
        let limit = seconds(.milliseconds(web.health.deadlineMilliseconds))
        let last = lastProbe ?? "its port was never reached"
        return "not ready within \(limit): GET \(web.health.path) on port \(web.port): \(last)"
    }

    static func endedBeforeReady(_ container: ContainerView) -> String {
        container.wasOutOfMemory
            ? "the program was killed before it was ready: it used more than its memory limit"
            : "the program ended with exit code \(container.exitCode) before it was ready"
    }

    static func outOfMemory(_ desired: InstanceDesired) -> String {
        "the release hook was killed: it used more than its memory limit of \(desired.resources.memoryBytes >> 20) MB"
    }

    static func releaseTimedOut(_ hook: HookSpec) -> String {
        "the release hook ran longer than its limit of \(hook.timeoutSeconds) s and was killed"
    }

    /// Shortens `reason` and adds the program's last lines, within `RunnerLimits.reasonBytesMax`.
    static func with(_ reason: String, lastLines: [String]) -> String {
        var text = cut(reason, to: RunnerLimits.reasonBytesMax / 4)
        let lines = lastLines.suffix(RunnerLimits.reasonLines).map { cut($0, to: RunnerLimits.reasonLineBytesMax) }
        if !lines.isEmpty { text += "\nlast output:\n" + lines.map { "  " + $0 }.joined(separator: "\n") }
        return cut(text, to: RunnerLimits.reasonBytesMax)
    }

    private static func cut(_ text: String, to bytesMax: Int) -> String {
        guard text.utf8.count > bytesMax else { return text }
        var kept = text.prefix(bytesMax)
        while kept.utf8.count > bytesMax { kept.removeLast() }
        return String(kept) + "…"
    }

    private static func seconds(_ duration: Duration) -> String {
        let milliseconds = duration.microseconds / 1_000
        return milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000) s" : "\(milliseconds) ms"
    }
}

/// What a failed engine action means for the instance.
enum Verdict: Sendable, Hashable {
    /// It may work later; nothing is wrong with the instance.
    case tryAgain
    /// The container is to be made anew, because what it was made of is gone or cannot be used.
    case makeAnew
    /// The engine has no init: make it anew without.
    case makeAnewWithoutInit
    case giveUp(String)

    /// - Parameters:
    ///   - failures: how often in a row it failed before.
    ///   - wasEverReady: an instance that has served is never given up: the cause lies with the host.
    static func of(_ error: EngineError, starting image: String, failures: Int, wasEverReady: Bool) -> Verdict {
        if error.isInitMissing { return .makeAnewWithoutInit }
        if error.isRetriable { return .tryAgain }
        let hasTriesLeft = wasEverReady || failures < RunnerLimits.startAttemptsMax
        // The network may have been removed between its making and the start; ports are chosen by the engine anew.
        if error.code == .notFound && error.message.contains("network") && hasTriesLeft { return .makeAnew }
        if (error.isPortTaken || error.code == .conflict) && hasTriesLeft { return .tryAgain }
        if wasEverReady { return .tryAgain }
        return .giveUp(reason(error, image: image))
    }

    private static func reason(_ error: EngineError, image: String) -> String {
        if error.isDiskFull {
            return "the disk of the host is full: free space on it, then deploy again (\(error.message))"
        }
        if error.isPortTaken {
            return "the host port chosen for the instance is taken by another program: deploy again (\(error.message))"
        }
        if error.isAddressPoolExhausted {
            return "the host has no free subnet for the environment's network: remove unused environments, or add "
                + "default-address-pools to the container engine's configuration (\(error.message))"
        }
        if error.code == .notFound && error.message.lowercased().contains("image") {
            return "the image \(image) is not on the host: deploy the commit again to build it (\(error.message))"
        }
        return "the container cannot be started: \(error.message)"
    }
}
