# Requests with and without a session, as in Flask.
import os
from types import SimpleNamespace as Request

ada = Request(remote_addr="198.51.100.7",
              headers={"Cookie": os.environ["COOKIE"], "User-Agent": "curl/8"})
stranger = Request(remote_addr="198.51.100.7", headers={})
BLOCK
