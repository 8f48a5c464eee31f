// SPDX-License-Identifier: Apache-2.0

/// How large what the scheduler is given may be. Beyond a limit the input is refused with an error that names it.
public enum SchedulerLimits {
    public static let affinitiesMax = 32
    public static let affinityLengthMax = 256
    public static let expressionLengthMax = 128
    /// Groups within groups of a regular expression.
    public static let expressionDepthMax = 16
    public static let portsMax = 64
    public static let labelsMax = 64
    /// Of a host's name, a zone, a label's name and its value.
    public static let nameLengthMax = 253
    public static let overCommitPercentMax = 1000
    /// 1 PiB, 10,000 cores and 4 PiB: times the over-commit they are still far from overflowing.
    public static let resourcesMax = Resources(memoryBytes: 1 << 50, cpuMillicores: 10_000_000, diskBytes: 1 << 52)
    public static let priorities = -1000...1000
    /// Hosts that are compared for preemption, of those where only the lowest possible priorities have to go.
    static let preemptionHostsMax = 64
    /// Rules whose matching hosts are kept. Beyond it all are forgotten and found again when they are asked for.
    static let rememberedRulesMax = 4096
}
