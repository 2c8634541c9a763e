import sys

from scripts.kpis.cli import main

sys.exit(main())
