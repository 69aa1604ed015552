"""`python -m sensorline.cli`: the same as the `sensorline` command."""

from sensorline.cli import main

if __name__ == "__main__":
    main()
