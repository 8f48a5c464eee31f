// SPDX-License-Identifier: Apache-2.0
import ServiceKit
import ServicesAPI

@main
struct Main {
    static func main() async {
        await Bootstrap.run("slipway-services") { try await ServicesAPIService.make(&$0, $1) }
    }
}
