// SPDX-License-Identifier: Apache-2.0

/// Limits of the Kafka bus. Memory is taken only while records wait; an idle client holds next to none of it.
enum KafkaLimits {
    // MARK: Publishing

    /// How long a record waits for others to share its request: what batching costs in latency.
    static let linger: Duration = .milliseconds(2)
    /// Records handed to librdkafka and not delivered; publishers wait for room beyond it.
    static let inFlightRecords = 16_384
    static let inFlightKilobytes = 24 << 10
    /// Records of one call handed over before the delivery reports are looked at again.
    static let produceSlice = 1_024
    /// At shutdown, how long what was handed over may take to be delivered.
    static let deliveryAtShutdown: Duration = .seconds(5)
    /// Room in the size of a batch for what Kafka adds to the one record it may hold.
    static let batchOverheadBytes = 64 << 10

    // MARK: Reading

    /// Records of a partition that are handed over and not handled; beyond, it is paused.
    static let waitingRecords = 2_000
    static let waitingBytes = 4 << 20
    /// How long a record that waits may keep librdkafka from freeing the fetch it came with.
    static let heldMax: Duration = .seconds(1)
    /// How long reading holds still for a handler that is behind before it pauses the partition, which throws away
    /// what was fetched of it: this long while other handlers have nothing to do...
    static let stallWhileOthersWait: Duration = .milliseconds(50)
    /// ...and this long while all are busy.
    static let stallWhileAllAreBusy: Duration = .milliseconds(250)
    /// Records taken from librdkafka before they are handed to the handlers.
    static let pollBatch = 256
    /// What librdkafka fetches ahead, for all partitions of a reader. With less, it idles up to a second at a time:
    /// when the queue was full, librdkafka 2.0 looks again only then.
    static let queuedKilobytes = 32 << 10
    static let queuedRecords = 100_000
    static let fetchPartitionBytes = 1 << 20
    static let fetchBytes = 8 << 20
    /// An empty fetch is answered after this long. A partition that is resumed may have to wait as long.
    static let fetchWait: Duration = .milliseconds(100)
    /// Some brokers send more than they are asked for. To refuse that would be to ask for it again, for ever.
    static let answerBytesMax = 1 << 30
    /// An answer to a fetch that comes sooner than this and holds less than that did not wait for records...
    static let hastyAnswer: Duration = .milliseconds(2)
    static let hastyAnswerBytes = 16 << 10
    /// ...and is followed by a pause, longer each time.
    static let fetchPauseMin: Duration = .milliseconds(1)
    static let fetchPauseMax: Duration = .milliseconds(5)
    static let fetchErrorBackOff: Duration = .milliseconds(100)
    static let handlerBackOffMin: Duration = .milliseconds(100)
    static let handlerBackOffMax: Duration = .seconds(10)

    // MARK: Groups

    /// A member that is silent for this long has died and others take its partitions.
    static let sessionTimeout: Duration = .seconds(10)
    static let heartbeat: Duration = .seconds(1)
    /// Librdkafka leaves the group when its reader is not served for this long.
    static let pollInterval: Duration = .seconds(300)
    /// Offsets are committed this often while handlers are busy...
    static let commitInterval: Duration = .milliseconds(100)
    /// ...and once they have nothing left to do, no more often than this.
    static let commitIntervalMin: Duration = .milliseconds(20)
    /// How long a partition that is taken away waits for the handler that has its record, before it is cancelled...
    static let handlerGrace: Duration = .seconds(10)
    /// ...and after that, before the partition is given away regardless.
    static let handlerCancelGrace: Duration = .seconds(10)
    static let commitTimeout: Duration = .seconds(5)
    static let closeTimeout: Duration = .seconds(5)

    // MARK: Connections

    static let reconnectBackOffMin: Duration = .milliseconds(100)
    static let reconnectBackOffMax: Duration = .seconds(2)
    static let connectTimeout: Duration = .seconds(10)
    /// A request that is not answered for this long has failed, and its connection with it.
    static let requestTimeout: Duration = .seconds(15)
    /// For one call that asks brokers about topics and groups.
    static let adminTimeout: Duration = .seconds(5)
    /// For the settings of topics, which the bus can do without.
    static let settingsTimeout: Duration = .seconds(2)
    /// Topics that were created are looked for this long.
    static let creationTimeout: Duration = .seconds(10)
    static let adminSlice: Duration = .milliseconds(250)
    static let rebuildBackOffMin: Duration = .milliseconds(200)
    static let rebuildBackOffMax: Duration = .seconds(5)
    /// The bus answered lately when it did within this time.
    static let recently: Duration = .seconds(2)
    static let probeTimeout: Duration = .milliseconds(800)

    // MARK: Upkeep

    /// The longest a client's thread sleeps.
    static let pollTimeout: Duration = .seconds(1)
    static let upkeepInterval: Duration = .milliseconds(100)
    static let metricsInterval: Duration = .seconds(2)
    static let threadStackBytes = 512 << 10
}

extension Duration {
    var milliseconds: Int32 {
        Int32(clamping: components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000)
    }
}
