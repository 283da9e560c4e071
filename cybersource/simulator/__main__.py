"""``python -m cybersource.simulator``"""

import sys

from cybersource.simulator.cli import main

sys.exit(main())
