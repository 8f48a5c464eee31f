# SPDX-License-Identifier: Apache-2.0
"""Several machines on one: each has a network namespace, a disk, control groups, a container engine and an agent."""
