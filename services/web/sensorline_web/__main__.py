"""`python -m sensorline_web`: the web service, configured by environment and `.env`."""

import sys

from sensorline_web.wsgi import main

if __name__ == "__main__":
    sys.exit(main())
