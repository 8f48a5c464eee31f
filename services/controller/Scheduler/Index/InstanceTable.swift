// SPDX-License-Identifier: Apache-2.0
import Domain

/// What is remembered of each placed instance.
struct InstanceTable: Sendable {
    struct Record: Hashable, Sendable {
        let id: InstanceID
        let resources: Resources
        let ports: [UInt16]
        let slot: Int32
        let priority: Int16
        let holdsVolume: Bool
        /// The number of its service in the service index, once it is counted there.
        var service: Int32 = 0
        /// It is being stopped: it takes room, and nothing else counts it.
        var isRetired = false
    }

    private var numbers: [InstanceID: Int32] = [:]
    private var records: [Record?] = []
    private var unused: [Int32] = []
    /// By priority; so that preemption is not tried when there is nothing to preempt.
    private var countByPriority: [Int16: Int] = [:]

    var count: Int { numbers.count }

    /// The priorities that there are below this one, in ascending order.
    func priorities(below priority: Int) -> [Int] {
        countByPriority.keys.map(Int.init).filter { $0 < priority }.sorted()
    }

    func number(of id: InstanceID) -> Int32? { numbers[id] }

    subscript(number: Int32) -> Record {
        guard let record = records[Int(number)] else { preconditionFailure("instance \(number) is not placed") }
        return record
    }

    // Without a copy of the record: preemption asks for each instance of each host.

    func resources(of number: Int32) -> Resources { records[Int(number)]?.resources ?? Resources() }

    func isEvictable(_ number: Int32, upTo highest: Int) -> Bool {
        let index = Int(number)
        return (records[index]?.priority).map { Int($0) <= highest } == true && records[index]?.holdsVolume == false
            && records[index]?.isRetired == false
    }

    mutating func insert(_ record: Record) -> Int32 {
        let number: Int32
        if let free = unused.popLast() {
            number = free
            records[Int(free)] = record
        } else {
            number = Int32(records.count)
            records.append(record)
        }
        numbers[record.id] = number
        countByPriority[record.priority, default: 0] += 1
        return number
    }

    mutating func remove(_ number: Int32) {
        let record = self[number]
        records[Int(number)] = nil
        numbers[record.id] = nil
        unused.append(number)
        countByPriority[record.priority, default: 0] -= 1
        if countByPriority[record.priority] == 0 { countByPriority[record.priority] = nil }
    }

    mutating func retire(_ number: Int32) { records[Int(number)]?.isRetired = true }
}
