// SPDX-License-Identifier: Apache-2.0

/// What a reader's thread knows of one partition: what it has handed over, what it has reported as handled, and
/// whether it reads on. A value: it decides, the thread acts.
struct PartitionFlow: Sendable, Equatable {
    enum Step: Sendable, Equatable {
        case pause
        /// Read on with this offset, or at the place that it names.
        case resume(Int64)
    }

    /// The offset after the last record that was handed over; `nil` before the first.
    private(set) var next: Int64?
    private(set) var isPaused = false
    private var reported: Int64 = -1
    private let start: Int64?
    private let floor: Int64
    private var skipped: Int64 = -1

    /// - Parameters:
    ///   - start: where reading begins: an offset, or one of librdkafka's negative names for a place. `nil` where
    ///     librdkafka knows; such a partition is paused only after its first record.
    ///   - floor: records below it were handled already, though the group has not been told.
    init(start: Int64? = nil, floor: Int64 = -1) {
        self.start = start
        self.floor = floor
        if let start, start >= 0 { next = start }
    }

    /// Whether the record is to be handed over. Pausing and resuming may bring one that was before.
    mutating func admits(_ offset: Int64) -> Bool {
        if offset < floor {
            skipped = max(skipped, offset + 1)
            return false
        }
        if let next, offset < next { return false }
        next = offset + 1
        return true
    }

    /// - Parameters:
    ///   - waiting: records handed over and not handled.
    ///   - bytes: what they hold.
    mutating func step(waiting: Int, bytes: Int, recordsMax: Int, bytesMax: Int) -> Step? {
        if !isPaused, waiting >= recordsMax || bytes >= bytesMax {
            isPaused = true
            return .pause
        }
        // Half way down, so that what is fetched anew comes before the handler has nothing left to do.
        if isPaused, waiting <= recordsMax / 2, bytes <= bytesMax / 2, let place = next ?? start {
            isPaused = false
            return .resume(place)
        }
        return nil
    }

    func isReported(handled: Int64) -> Bool { max(handled, skipped) <= reported }

    /// - Parameter handled: the offset after the last record that was handled; negative when there is none.
    /// - Returns: the offset to be committed, when it is news.
    mutating func offsetToReport(handled: Int64) -> Int64? {
        guard !isReported(handled: handled) else { return nil }
        reported = max(handled, skipped)
        return reported
    }
}

/// Tells when a follower has read everything there was.
struct CatchUp: Sendable, Equatable {
    private var behind: Set<Int32>

    init(partitions: some Sequence<Int32>) { behind = Set(partitions) }

    /// - Returns: whether this was the last partition to be read to its end; true once.
    mutating func reachedEnd(of partition: Int32) -> Bool {
        behind.remove(partition) != nil && behind.isEmpty
    }
}

/// Slows down the fetching from brokers that answer at once that there is nothing, rather than wait for records as they
/// are asked to: librdkafka asks again without a pause, which keeps a core of either side busy. A value: it decides,
/// the thread that fetches sleeps.
struct FetchPacing: Sendable, Equatable {
    /// `ApiKey` of the Kafka protocol.
    static let fetchRequest: Int16 = 1

    private var lastSize = -1
    private var lastPause: Duration = .zero

    /// - Parameters:
    ///   - size: bytes of the answer; those of empty ones are alike.
    ///   - time: what it took to come.
    mutating func pause(afterAnswer size: Int, in time: Duration) -> Duration {
        let isHasty = time < KafkaLimits.hastyAnswer && size < KafkaLimits.hastyAnswerBytes
        let isAlike = size == lastSize
        lastSize = size
        lastPause =
            switch (isHasty, isAlike) {
            case (false, _): .zero
            case (true, false): KafkaLimits.fetchPauseMin
            case (true, true): max(KafkaLimits.fetchPauseMin, min(lastPause * 2, KafkaLimits.fetchPauseMax))
            }
        return lastPause
    }
}
