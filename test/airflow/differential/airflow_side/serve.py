"""Reads a scenario per line, plays it on Airflow, and writes a line with what came of it."""

import json
import os
import sys
import traceback


def main():
    # Airflow logs to the standard output, which is ours.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    import setting

    try:
        api = setting.start()
        from player import Player

        out.write(json.dumps({"ready": True}) + "\n")
        for line in sys.stdin:
            try:
                answer = Player(json.loads(line), api).play()
            except Exception:
                answer = {"error": traceback.format_exc()}
            out.write(json.dumps(answer) + "\n")
    finally:
        setting.remove()


main()
