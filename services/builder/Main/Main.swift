// SPDX-License-Identifier: Apache-2.0
import Builder
import ServiceKit

@main
struct Main {
    static func main() async {
        await Bootstrap.run("slipway-builder") { try await BuilderService.make(&$0, $1) }
    }
}
