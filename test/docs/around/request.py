# A request of the user ada, who has a note, a connection and the statement.
import os
import psycopg

class request:
    headers = {"Cookie": os.environ["COOKIE"], "User-Agent": "curl/8"}
    remote_addr = "198.51.100.7"

connection = psycopg.connect("")
page = """SELECT s.user_id, n.body
  FROM session_validate(session_cookie_read(%s), ip => %s, user_agent => %s) AS s
  LEFT JOIN LATERAL (SELECT body FROM note WHERE owner = s.user_id) AS n ON true"""
connection.execute("CREATE TABLE IF NOT EXISTS note AS SELECT 'ada' AS owner, 'buy tea' AS body")
BLOCK
assert rows == [("ada", "buy tea")], rows
