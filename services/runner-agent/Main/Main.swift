// SPDX-License-Identifier: Apache-2.0
import RunnerAgent
import ServiceKit

@main
struct Main {
    static func main() async {
        await Bootstrap.run("slipway-runner") { try await RunnerAgentService.make(&$0, $1) }
    }
}
