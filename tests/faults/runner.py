"""Runs the scripts of a folder one after another, and prints their rows as one table. Knows no
script: see tests/faults/run and tests/peers/run."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys

import common

# Longer than the longest script takes on a busy machine.
LIMIT_SECONDS = 1800


def subject(folder, name):
    """The first line of a script, which states its subject."""
    with open(os.path.join(folder, name + ".py")) as file:
        return file.readline().strip().strip('"')


def rows_of(folder, name, arguments):
    """Runs a script and returns its rows, with a failed one if the script is interrupted."""
    print(f"== {name}: {subject(folder, name)}", file=sys.stderr, flush=True)
    command = [sys.executable, os.path.join(folder, name + ".py"), *arguments]
    script = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    out = ""
    try:
        out, _ = script.communicate(timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"   longer than {LIMIT_SECONDS} s: killed", file=sys.stderr)
    finally:
        # And the servers that it may have left running.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(script.pid, signal.SIGKILL)
        script.wait()
    rows = [line.split("\t") for line in out.splitlines()]
    for row in rows:
        print("   " + "  ".join(row), file=sys.stderr)
    if script.returncode not in (0, 1) or not rows or (script.returncode == 1) != any(
            row[0] == "FAIL" for row in rows):
        rows.append(["FAIL", name, f"ended with {script.returncode}", "completes"])
    return rows


def print_table(rows):
    columns = max(len(row) for row in rows)
    rows = [row + [""] * (columns - len(row)) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(1, columns)]
    print()
    for verdict, *cells in rows:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths)), "", verdict)
    failed = sum(row[0] == "FAIL" for row in rows)
    left_out = sum(row[0] == "SKIP" for row in rows)
    print(f"\n{len(rows)} rows, {failed} failed, {left_out} left out")
    return failed


def main(run, doc, shared, known, examples, crate):
    """Parses the arguments of the program at `run`, and runs the scripts beside it. `shared` are
    the modules there that are no scripts, `known` the options of the scripts, `examples` the options
    of cargo for those that they need, and `crate` is the folder there whose programs they need."""
    folder = os.path.dirname(os.path.abspath(run))
    names = sorted(file.removesuffix(".py") for file in os.listdir(folder)
                   if file.endswith(".py") and file.removesuffix(".py") not in shared)
    listing = "\n".join(f"  {name:18} {subject(folder, name)}" for name in names)
    parser = argparse.ArgumentParser(
        prog=os.path.relpath(run, common.ROOT), description=f"{doc}\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="which scripts to run (all of them)")
    parser.add_argument("--list", action="store_true", help="print the names of the scripts")
    common.add_options(parser, known)
    options = parser.parse_args()
    if options.list:
        print("\n".join(names))
        return
    unknown = [name for name in options.name if name not in names]
    if unknown:
        parser.error(f"no script '{unknown[0]}': there are {', '.join(names)}")
    if not common.build(examples, os.path.join(folder, crate)):
        sys.exit(2)
    rows = []
    try:
        for name in options.name or names:
            rows += rows_of(folder, name, common.arguments(options, known))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(1 if print_table(rows) else 0)
