# A request of the user ada, a connection, and a view that shows the identity.
import os
import psycopg

header = os.environ["COOKIE"]
connection = psycopg.connect("", autocommit=True)
connection.execute("CREATE TEMP VIEW todo AS SELECT session_user_id() AS what")
BLOCK
assert known.fetchone() == (True,)
assert todos.fetchall() == [("ada",)]
