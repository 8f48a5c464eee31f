# SPDX-License-Identifier: Apache-2.0
"""A complete Slipway on one machine: packages, container engine, Postgres, base images, the six executables."""
