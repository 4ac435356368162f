"""Receivers of notices that misbehave, for the year of notices (year.py): /good takes each; /down none while the file
"down" is there; /errs takes each, and answers 500 the first time; /late takes each, and answers too late the first time.
What arrived is in the log, as ../double.py says: the program starts and ends as that.
"""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import double  # noqa: E402

SEEN = set()
LATE = 2.5  # seconds; the script that tells waits for one


class Handler(double.Handler):
    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/down" and os.path.exists(os.path.join(double.DIRECTORY, "down")):
            return self.cut()
        self.note(body)
        message = (self.path, json.loads(body)["id"])
        is_first, _ = message not in SEEN, SEEN.add(message)
        if is_first and self.path == "/errs":
            return self.answer(500, {"message": "it was taken, and then something broke"})
        if is_first and self.path == "/late":
            time.sleep(LATE)
        try:
            return self.answer(200, "ok", "text/plain")
        except OSError:  # nobody waits for the answer any more
            self.close_connection = True

    do_POST = do


double.serve(Handler)
