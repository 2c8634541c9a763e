import sys

from scripts.history.cli import main

sys.exit(main())
