// SPDX-License-Identifier: Apache-2.0
import Controller
import ServiceKit

@main
struct Main {
    static func main() async {
        await Bootstrap.run("slipway-controller") { try await ControllerService.make(&$0, $1) }
    }
}
