# SPDX-License-Identifier: Apache-2.0
"""The release hook: runs once per deployment, before the new version starts. It must bear being run again."""

import database

database.create_tables()
print("table entries is in place")
