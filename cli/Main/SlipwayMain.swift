// SPDX-License-Identifier: Apache-2.0
import Glibc
import SlipwayCLI

@main
struct SlipwayMain {
    static func main() async {
        exit(await SlipwayTool.run())
    }
}
