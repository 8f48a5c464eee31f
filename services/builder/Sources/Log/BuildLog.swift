// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Synchronization

/// The lines of one build between whoever writes them and the bus. Bounded: writing never waits.
final class BuildLog: Sendable {
    struct Batch: Sendable, Hashable {
        var lines: [LogLines.Line] = []
        var dropped = 0
    }

    private struct State {
        var redactor = Redactor()
        var waiting: [LogLines.Line] = []
        /// Lines lost for want of room since the last batch.
        var dropped = 0
        var lines = 0
        var bytes = 0
        /// Lines past the limits of a build.
        var omitted = 0
        var tail: [String] = []
        var step: BuildStep?
        var isFinished = false
    }

    private let state = Mutex(State())
    /// Raised with each line and at the end.
    let arrived = Signal()
    /// Raised when a batch is full and at the end.
    let filled = Signal()

    /// From here on these do not appear.
    func hide(_ secrets: [String]) {
        state.withLock { $0.redactor = Redactor(secrets) }
    }

    func append(_ raw: String, at time: Timestamp = .now()) {
        let hasFullBatch = state.withLock { state in
            // Redacted before it is cut: the cut may go through a secret.
            let text = LogText.cut(state.redactor.redact(LogText.clean(raw)))
            Self.observe(text, &state)
            if state.lines >= BuilderLimits.logLinesMax || state.bytes + text.utf8.count > BuilderLimits.logBytesMax {
                state.omitted += 1
                if state.omitted == 1 {
                    Self.enqueue("The log of this build has become too long: further lines are left out.", time, &state)
                }
            } else {
                state.lines += 1
                state.bytes += text.utf8.count
                Self.enqueue(text, time, &state)
            }
            return state.waiting.count >= BuilderLimits.logBatchLinesMax
        }
        arrived.raise()
        if hasFullBatch { filled.raise() }
    }

    private static func observe(_ text: String, _ state: inout State) {
        if let step = BuildStep(text) {
            state.step = step
            // What earlier steps wrote does not explain why a later one failed.
            state.tail = []
        }
        if BuildStep.isNoise(text) { return }
        state.tail.append(text)
        if state.tail.count > BuilderLimits.reasonLinesMax { state.tail.removeFirst() }
    }

    private static func enqueue(_ text: String, _ time: Timestamp, _ state: inout State) {
        guard state.waiting.count < BuilderLimits.logBufferLinesMax else {
            state.dropped += 1
            return
        }
        state.waiting.append(LogLines.Line(at: time, text: text))
    }

    /// No line comes after this.
    func finish() {
        state.withLock { state in
            if state.omitted > 0 { Self.enqueue("\(state.omitted) lines were left out.", .now(), &state) }
            state.isFinished = true
        }
        arrived.raise()
        filled.raise()
    }

    /// Lines that were taken and could not be delivered.
    func lost(_ batch: Batch) {
        state.withLock { $0.dropped += batch.lines.count + batch.dropped }
    }

    var isFinished: Bool { state.withLock { $0.isFinished } }
    var isEmpty: Bool { state.withLock { $0.waiting.isEmpty } }
    var hasFullBatch: Bool { state.withLock { $0.waiting.count >= BuilderLimits.logBatchLinesMax } }

    /// The next lines in order, within the limits of one record.
    func takeBatch() -> Batch {
        state.withLock { state in
            var bytes = 0
            let count = state.waiting.prefix(BuilderLimits.logBatchLinesMax).prefix { line in
                bytes += line.text.utf8.count
                return bytes <= BuilderLimits.logBatchBytesMax
            }.count
            let batch = Batch(lines: Array(state.waiting.prefix(count)), dropped: state.dropped)
            state.waiting.removeFirst(count)
            state.dropped = 0
            return batch
        }
    }

    /// The step the engine was at, and the last lines it wrote in it.
    var ending: (step: BuildStep?, tail: [String]) { state.withLock { ($0.step, $0.tail) } }

    func redact(_ text: String) -> String { state.withLock { $0.redactor }.redact(text) }
}
