"""`python -m gateway` is the `binnacle` command."""

import sys

from gateway.cli import main

sys.exit(main())
