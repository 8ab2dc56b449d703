# A request of the user ada, and a connection.
import os
import psycopg

class request:
    headers = {"Cookie": os.environ["COOKIE"], "User-Agent": "curl/8"}
    remote_addr = "198.51.100.7"

connection = psycopg.connect("")
BLOCK
assert session == ("ada", {"cart": ["tea"]}), session
