# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests stand on, with the local stack of examples/demo."""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(CHECKOUT / "examples" / "demo"))
