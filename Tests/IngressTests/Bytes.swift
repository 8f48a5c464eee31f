// SPDX-License-Identifier: Apache-2.0
import NIOCore

@testable import Ingress

func request(_ text: String) -> Result<RequestHead, HeadError> {
    withBytes(text) { RequestHead.parse($0, length: $0.count) }
}

func response(_ text: String, isToHead: Bool = false) -> Result<ResponseHead, HeadError> {
    withBytes(text) { ResponseHead.parse($0, length: $0.count, isToHead: isToHead) }
}

func withBytes<Value>(_ text: String, _ body: (CheckedBytes) -> Value) -> Value {
    Array(text.utf8).withUnsafeBytes { body(CheckedBytes($0)) }
}

func withBytes<Value>(_ bytes: some Collection<UInt8>, _ body: (CheckedBytes) -> Value) -> Value {
    Array(bytes).withUnsafeBytes { body(CheckedBytes($0)) }
}

/// Deterministic: the seed is in the test's name or arguments.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
