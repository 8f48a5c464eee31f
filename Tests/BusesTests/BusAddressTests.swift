// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Buses

struct BusAddressTests {
    @Test(arguments: [
        "postgres://u:p@db.example:5432/bus?sslmode=require", "postgresql://127.0.0.1/bus",
        "postgresql:///bus?host=/run/postgresql",
    ])
    func postgresURLsAreHandedToLibpqAsTheyAre(url: String) throws {
        let address = try BusAddress(url)
        #expect(address == .postgres(url))
    }

    @Test(arguments: [
        ("kafka://broker:9092", ["broker:9092"]),
        (
            "kafka://10.0.0.1:1,b-2.example.com:65535,under_score:9092",
            ["10.0.0.1:1", "b-2.example.com:65535", "under_score:9092"]
        ),
        ("kafka://[2001:db8::1]:9092,[::1]:9093", ["[2001:db8::1]:9092", "[::1]:9093"]),
    ])
    func kafkaURLsListBrokers(url: String, brokers: [String]) throws {
        let address = try BusAddress(url)
        #expect(address == .kafka(brokers))
    }

    @Test(arguments: [
        // No scheme, another one, nothing behind it.
        "127.0.0.1:9092", "://x", "http://127.0.0.1:9092", "KAFKA://127.0.0.1:9092", "kafka:/127.0.0.1:9092", "",
        "postgres://", "kafka://",
        // A port that is missing, empty, no number or out of range.
        "kafka://broker", "kafka://broker:", "kafka://broker:x", "kafka://broker:+9092", "kafka://broker:0",
        "kafka://broker:65536", "kafka://broker:-1", "kafka://broker:9092 ", "kafka://broker:9092,other",
        // A host that is missing or none.
        "kafka://:9092", "kafka://[]:9092", "kafka://::1:9092", "kafka://[::1:9092", "kafka://a b:9092",
        "kafka://brökér:9092", "kafka://a;b:9092", "kafka://a\n:9092",
        // Lists with a hole, and what may stand in other URLs.
        "kafka://a:1,,b:2", "kafka://a:1,", "kafka://,a:1", "kafka://a:1/", "kafka://a:1/topic", "kafka://a:1?x=y",
        "kafka://a:1#x", "kafka://sentinel-user:sentinel-secret@a:1",
        "kafka://" + Array(repeating: "a:1", count: BusAddress.brokersMax + 1).joined(separator: ","),
    ])
    func whatIsNoAddressIsRefusedAndNotRepeated(url: String) {
        let problem = #expect(throws: BusAddress.Problem.self) { try BusAddress(url) }
        let expected = problem?.expected ?? ""
        #expect(expected.contains("kafka://"))
        #expect(!expected.contains("sentinel"))
    }

    @Test func theProblemTellsWhichBrokerIsWrong() {
        let problem = #expect(throws: BusAddress.Problem.self) { try BusAddress("kafka://a:1,b:2,c") }
        #expect(problem?.expected.contains("broker 3") == true)
    }
}
