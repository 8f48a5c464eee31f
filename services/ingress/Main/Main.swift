// SPDX-License-Identifier: Apache-2.0
import Ingress
import ServiceKit

@main
struct Main {
    static func main() async {
        await Bootstrap.run("slipway-ingress", listeners: ["ingress"]) { try await IngressService.make(&$0, $1) }
    }
}
