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
