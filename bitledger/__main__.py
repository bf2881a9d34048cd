"""``python -m bitledger``."""

import sys

from bitledger.command import main

if __name__ == "__main__":
    sys.exit(main())
