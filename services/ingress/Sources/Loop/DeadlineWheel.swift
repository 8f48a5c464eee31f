// SPDX-License-Identifier: Apache-2.0

/// Tells at which tick to look at which connection again. Looking is all it promises: connections keep their own
/// deadlines and may be looked at too early, since moving a deadline back does not touch the wheel.
struct DeadlineWheel {
    private var buckets: [[Int]]
    private(set) var now = 0
    private var count = 0

    init(buckets: Int = 1_024) {
        self.buckets = Array(repeating: [], count: buckets)
    }

    /// - Returns: the tick at which `id` comes up, earlier than asked for when that is beyond the wheel's turn.
    mutating func insert(_ id: Int, at tick: Int, now current: Int) -> Int {
        if count == 0 { now = max(now, current) }
        let tick = min(max(tick, now + 1), now + buckets.count - 1)
        buckets[tick % buckets.count].append(id)
        count += 1
        return tick
    }

    /// What came up until `tick`.
    mutating func advance(to tick: Int) -> [Int] {
        var due: [Int] = []
        while now < tick, count > 0 {
            now += 1
            let index = now % buckets.count
            count -= buckets[index].count
            due += buckets[index]
            buckets[index].removeAll(keepingCapacity: false)
        }
        now = max(now, tick)
        return due
    }

    /// The next tick at which something comes up.
    var next: Int? {
        guard count > 0 else { return nil }
        for tick in now + 1..<now + buckets.count where !buckets[tick % buckets.count].isEmpty { return tick }
        return nil
    }
}
