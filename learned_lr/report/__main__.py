"""Puts all runs on one page: `python -m learned_lr.report --root_dir=runs`. Reads, never trains."""

import argparse
import os
import sys


def main() -> None:
    """Parses the flag, writes the report, says where it is; errors end in one line."""
    parser = argparse.ArgumentParser(
        prog="python -m learned_lr.report",
        description="Puts all runs on one page. Reads, never trains.",
        epilog="example:\n  python -m learned_lr.report --root_dir=runs",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--root_dir",
        metavar="FOLDER",
        default="runs",
        type=os.path.expanduser,
        help="the folder of all run directories (default: runs)",
    )
    root_dir = parser.parse_args().root_dir
    try:
        from learned_lr.report import assembly
    except ModuleNotFoundError as error:
        sys.exit(
            f"Error: the report needs the package {error.name}: pip install '.[report]' "
            "brings all it needs."
        )
    try:
        print(assembly.report(root_dir))
    except (assembly.ReportError, OSError) as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
