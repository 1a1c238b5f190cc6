"""Puts all runs on one page: `python -m learned_lr.report --root_dir=runs`. Reads, never trains."""

import sys


def main() -> None:
    """Parses the flag, writes the report, says where it is; errors end in one line."""
    try:
        from absl import app, flags

        from learned_lr.report import assembly
    except ModuleNotFoundError as error:
        sys.exit(
            f"Error: the report needs the package {error.name}: pip install '.[report]' "
            "brings all it needs."
        )

    root_dir = flags.DEFINE_string("root_dir", "runs", "Folder of all run directories.")

    def run(arguments):
        if len(arguments) > 1:
            raise app.UsageError(f"Expected flags only, found {arguments[1:]}.")
        try:
            print(assembly.report(root_dir.value))
        except (assembly.ReportError, OSError) as error:
            sys.exit(f"Error: {error}")
        except KeyboardInterrupt:
            sys.exit(130)

    app.run(run)


if __name__ == "__main__":
    main()
