// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Passes elements from one task to another, one at a time: the sender goes on when the receiver has taken its element.
///
/// One sender, one receiver. Cancelling either ends the handoff for both.
final class Handoff<Element: Sendable>: Sendable {
    private typealias Receiver = CheckedContinuation<Element?, any Error>

    private struct State {
        var element: Element?
        var sender: CheckedContinuation<Bool, Never>?
        var receiver: Receiver?
        var isEnded = false
        var error: (any Error)?
    }

    private enum Sending {
        case refused
        case taken(by: Receiver)
        case waiting
    }

    private enum Receiving {
        case element(Element, CheckedContinuation<Bool, Never>?)
        case ended((any Error)?)
        case waiting
    }

    private let state = Mutex(State())

    init() {}

    /// - Returns: whether the receiver took the element; `false` once the handoff has ended.
    func send(_ element: Element) async -> Bool {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let sending = state.withLock { state -> Sending in
                    if state.isEnded { return .refused }
                    if let receiver = state.receiver {
                        state.receiver = nil
                        return .taken(by: receiver)
                    }
                    state.element = element
                    state.sender = continuation
                    return .waiting
                }
                switch sending {
                case .refused: continuation.resume(returning: false)
                case .taken(let receiver):
                    receiver.resume(returning: element)
                    continuation.resume(returning: true)
                case .waiting: break
                }
            }
        } onCancel: {
            finish(throwing: CancellationError())
        }
    }

    /// The next element; `nil` once the sender has finished.
    func next() async throws -> Element? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let receiving = state.withLock { state -> Receiving in
                    if let element = state.element {
                        defer {
                            state.element = nil
                            state.sender = nil
                        }
                        return .element(element, state.sender)
                    }
                    if state.isEnded { return .ended(state.error) }
                    state.receiver = continuation
                    return .waiting
                }
                switch receiving {
                case .element(let element, let sender):
                    continuation.resume(returning: element)
                    sender?.resume(returning: true)
                case .ended(let error?): continuation.resume(throwing: error)
                case .ended(nil): continuation.resume(returning: nil)
                case .waiting: break
                }
            }
        } onCancel: {
            finish(throwing: CancellationError())
        }
    }

    /// Ends the handoff. An element that was not taken is lost. Only the first call counts.
    func finish(throwing error: (any Error)? = nil) {
        let (sender, receiver) = state.withLock {
            state -> (CheckedContinuation<Bool, Never>?, Receiver?) in
            guard !state.isEnded else { return (nil, nil) }
            defer {
                state.sender = nil
                state.receiver = nil
            }
            state.isEnded = true
            state.error = error
            state.element = nil
            return (state.sender, state.receiver)
        }
        sender?.resume(returning: false)
        if let error { receiver?.resume(throwing: error) } else { receiver?.resume(returning: nil) }
    }
}
