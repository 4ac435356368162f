"""A mail server's sendmail: mailer.py FOLDER puts each mail into FOLDER, unless the file FOLDER/down is there."""

import os
import sys

FOLDER = sys.argv[1]
MAIL = sys.stdin.read()
if os.path.exists(os.path.join(FOLDER, "down")):
    print("mail server: connection refused")
    sys.exit(75)
NUMBER = len([name for name in os.listdir(FOLDER) if name.endswith(".eml")])
with open(os.path.join(FOLDER, f"{NUMBER:06}.eml"), "w", encoding="utf-8", newline="") as file:
    file.write(MAIL)
