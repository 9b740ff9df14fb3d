"""``python -m qaconv_reid``: the command, as torchrun starts it."""

import sys

from qaconv_reid.cli import main

if __name__ == "__main__":
    sys.exit(main())
