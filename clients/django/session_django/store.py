"""The session engine: SESSION_ENGINE = "session_django.store".

Rules:
* The database makes the keys (ordinary tokens, st_...). A key that came from a client
  never becomes the key of a new session. Keys of another origin (foreign tokens) work
  for sessions that exist.
* The user of the session is _auth_user_id. When it changes, the key changes, too.
* A session that has ended stays ended: saving it raises UpdateError, and cycle_key()
  raises SessionInterrupted.
* A save writes the keys of the data that have changed, so that parallel requests
  which change different keys keep both changes.
"""
import json

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.serializers import JSONSerializer

from .database import change, row

# The key of data that cannot be readable: the text of SessionBase.encode().
ENCODED = "_encoded"

# The key that has the order of the keys of an object, where jsonb would change it.
ORDER = "_keys"

# Who a session belongs to.
OWNER = ("user_id", "tenant_id", "role")

# Two deadlines that are as far apart as this are the same, in seconds.
TOLERANCE = 2

REQUEST = "ip => session_ip(%(address)s, %(hops)s), user_agent => %(agent)s"

LOAD = f"""
    SELECT id::text, user_id, tenant_id, role, data::text
      FROM session_validate(%(token)s, {REQUEST})"""

STATUS = f"SELECT session_status(%(token)s, {REQUEST})"

CREATE = f"""
    SELECT token, id::text
      FROM session_create(%(user_id)s, %(data)s::jsonb, %(tenant_id)s, %(role)s,
                          lifetime => GREATEST(make_interval(secs => %(age)s),
                                               '1 microsecond'),
                          {REQUEST})"""

# {{token}} is the token whose data is written.
WRITE_ALL = "session_data_save({token}, %(data)s::jsonb)"
WRITE_CHANGES = """
    (SELECT COALESCE(bool_and(
              CASE WHEN c.value IS NULL THEN session_data_delete({token}, c.key)
                   ELSE session_data_set({token}, c.key, c.value::jsonb) END), true)
       FROM unnest(%(keys)s::text[], %(values)s::text[]) AS c (key, value))"""

# Returns whether the session is live, and, if its lifetime was started again, the
# seconds until its end.
SAVE = f"""
    SELECT {{write}} AND s.live, s.remaining
      FROM (SELECT count(*) > 0 AS live,
                   max(extract(epoch FROM expires_at - clock_timestamp()))::float8 AS remaining
              FROM session_refresh(%(token)s, {REQUEST})) AS s"""
SAVE_ONLY = "SELECT {write} AND session_touch(%(token)s), NULL::float8"

REGENERATE = f"""
    SELECT r.token, r.id::text, {{write}}
      FROM session_regenerate(%(token)s, user_id => %(user_id)s,
                              tenant_id => %(tenant_id)s, role => %(role)s,
                              lifetime => make_interval(secs => %(age)s),
                              auth_level => %(auth_level)s::integer,
                              amr => %(amr)s::text[], {REQUEST}) AS r"""

REVOKE = "SELECT session_revoke(%(token)s)"


class SessionStore(SessionBase):
    # The address of the client, the number of proxies in front of the application
    # and the user agent. session_django.middleware.SessionMiddleware sets them.
    address, hops, agent = None, 1, None

    # The public id of the session, which may be logged and shown; None until the
    # session is loaded or saved. It stays when the key changes.
    id = None

    def __init__(self, session_key=None):
        super().__init__(session_key)
        self._forget()

    def identity(self, data):
        """Returns who the session belongs to. A subclass may add the tenant and role.

        With these, session_tenant_id() and session_role() are known to policies.
        """
        user = data.get("_auth_user_id")
        return {"user_id": None if user is None else str(user)}

    def load(self):
        found = self._usable(self.session_key) and row(LOAD, self._values())
        if not found:
            self._session_key = None
            self._forget()
            return {}
        self.id, user_id, tenant_id, role, text = found
        self._owner = {"user_id": user_id, "tenant_id": tenant_id, "role": role}
        self._known = True
        stored = json.loads(text)
        data = self._read(stored)
        self._stored = None if ENCODED in stored else {
            key: _json_of(part) for key, part in stored.items()}
        self._expiry = data.get("_session_expiry") or None
        return data

    def exists(self, session_key):
        if not self._usable(session_key):
            return False
        return row(STATUS, self._values(token=session_key))[0] == "active"

    def create(self):
        data = self._get_session(no_load=True)
        owner, texts = self._identity(data), self._texts(data)
        self._session_key, self.id = change(CREATE, self._values(
            **owner, data=self._json(data, texts), age=float(self.get_expiry_age())))
        self._saved(data, owner, texts)
        self.modified = True

    def save(self, must_create=False):
        if self.session_key is None:
            return self.create()
        if must_create:
            raise CreateError("the database makes the keys of sessions")
        data = self._get_session()
        if self.session_key is None:
            return self.create()
        self._know_owner()
        owner, age = self._identity(data), float(self.get_expiry_age())
        if age <= 0:
            live = change(REVOKE, self._values())[0]
        elif self._loses_owner(owner):
            live = change(REVOKE, self._values())[0]
            if live:
                self.create()
        elif owner != self._owner:
            live = self._regenerate(data, owner, age)
        else:
            live = self._write(data, owner, age)
        if not live:
            raise UpdateError

    def delete(self, session_key=None):
        key = self.session_key if session_key is None else session_key
        if self._usable(key):
            change(REVOKE, self._values(token=key))

    def clear(self):
        super().clear()
        self._stored = None

    def flush(self):
        super().flush()
        self._forget()

    def cycle_key(self):
        data = self._session
        if self.session_key is None:
            return self.create()
        self._renew(data)

    def step_up(self, auth_level=1, amr=None):
        """Records what the user has proven now, such as a second factor or the password
        again, and gives the session a new key. session_require() and policies know it.

        auth_level is the number of factors, and amr the list of their methods.
        """
        data = self._session
        self._renew(data, auth_level, None if amr is None else list(amr))

    @classmethod
    def clear_expired(cls):
        """Deletes ended sessions if the role may. The worker of the extension does, too."""
        if row("SELECT has_function_privilege('session_cleanup(integer)', 'EXECUTE')", {})[0]:
            change("SELECT FROM session_cleanup()", {})

    async def aload(self):
        return await sync_to_async(self.load)()

    async def aexists(self, session_key):
        return await sync_to_async(self.exists)(session_key)

    async def acreate(self):
        return await sync_to_async(self.create)()

    async def asave(self, must_create=False):
        return await sync_to_async(self.save)(must_create)

    async def adelete(self, session_key=None):
        return await sync_to_async(self.delete)(session_key)

    async def aflush(self):
        return await sync_to_async(self.flush)()

    async def acycle_key(self):
        return await sync_to_async(self.cycle_key)()

    async def astep_up(self, auth_level=1, amr=None):
        return await sync_to_async(self.step_up)(auth_level, amr)

    @classmethod
    async def aclear_expired(cls):
        return await sync_to_async(cls.clear_expired)()

    def _identity(self, data):
        """Returns what identity() says, as texts."""
        given = self.identity(data)
        wrong = set(given) - set(OWNER)
        if wrong:
            raise TypeError(f"identity() may return {', '.join(OWNER)}: "
                            f"it returned {', '.join(map(repr, sorted(wrong)))}")
        return {name: None if given.get(name) is None else str(given[name]) for name in OWNER}

    def _know_owner(self):
        """Reads the owner of a session whose data was replaced before it was read."""
        if not self._known:
            self.load()
            self._stored = None
            if self.session_key is None:
                raise UpdateError

    def _loses_owner(self, owner):
        """Returns whether the session cannot go on, because it has an owner that it
        must not have any more. One without a user can: it logs in."""
        return any(old is not None and old != owner[name] and
                   (name == "user_id" or owner[name] is None)
                   for name, old in self._owner.items())

    def _write(self, data, owner, age):
        """Writes what has changed and starts the lifetime again. Returns whether the
        session is live."""
        texts = self._texts(data)
        write, values = self._change(data, texts)
        expiry = data.get("_session_expiry") or None
        fixed = expiry == self._expiry and expiry is not None and not isinstance(
            expiry, (int, float))
        sql = SAVE_ONLY if fixed else SAVE
        live, remaining = change(sql.format(write=write.format(token="%(token)s")), values)
        if not live:
            return False
        moved = expiry != self._expiry and abs(remaining - age) > TOLERANCE
        self._saved(data, owner, texts)
        return not moved or self._regenerate(data, owner, age)

    def _renew(self, data, auth_level=None, amr=None):
        """Gives a live session of the same owner a new key."""
        try:
            if self.session_key is not None:
                self._know_owner()
            if auth_level is not None and self._owner["user_id"] is None:
                raise ValueError("step_up() needs the session of a user who has logged in")
            live = self._regenerate(data, self._owner, None, auth_level, amr)
        except UpdateError:
            live = False
        if not live:
            raise SessionInterrupted("The session has ended.")
        self.modified = True

    def _regenerate(self, data, owner, age, auth_level=None, amr=None):
        """Writes what has changed, and gives the session a new key. Returns whether
        the session is live."""
        texts = self._texts(data)
        write, values = self._change(data, texts)
        found = change(REGENERATE.format(write=write.format(token="r.token")),
                       dict(values, **owner, age=age, auth_level=auth_level, amr=amr))
        if not found or not found[2]:
            return False
        self._session_key, self.id = found[:2]
        self._saved(data, owner, texts)
        return True

    def _change(self, data, texts):
        """Returns the expression that writes what has changed, and its values."""
        if texts is None or self._stored is None:
            return WRITE_ALL, self._values(data=self._json(data, texts))
        changed = {key: text for key, text in texts.items() if self._stored.get(key) != text}
        changed.update((key, None) for key in self._stored if key not in texts)
        return WRITE_CHANGES, self._values(keys=list(changed), values=list(changed.values()))

    def _values(self, **values):
        return dict({"token": self.session_key, "address": self.address,
                     "hops": self.hops, "agent": self.agent}, **values)

    def _saved(self, data, owner, texts):
        self._owner, self._known, self._stored = owner, True, texts
        self._expiry = data.get("_session_expiry") or None

    def _forget(self):
        self.id = None
        self._owner = dict.fromkeys(OWNER)
        self._known = False
        self._stored = None
        self._expiry = None

    def _read(self, stored):
        if ENCODED in stored:
            return self.decode(stored[ENCODED])
        data = {key: _unmarked(part) for key, part in stored.items()}
        if issubclass(self.serializer, JSONSerializer):
            return self.serializer().loads(json.dumps(data).encode("latin-1"))
        return data

    def _texts(self, data):
        """Returns the JSON of each key, or None if jsonb cannot hold the data."""
        if ENCODED in data or not issubclass(self.serializer, JSONSerializer):
            return None
        value = json.loads(self.serializer().dumps(data).decode("latin-1"))
        try:
            return {_marked(key): _json_of(_marked(part)) for key, part in value.items()}
        except ValueError:
            return None

    def _json(self, data, texts):
        """Returns the data as one JSON object."""
        if texts is None:
            return json.dumps({ENCODED: self.encode(data)})
        return "{%s}" % ", ".join(f"{json.dumps(key)}: {text}" for key, text in texts.items())

    @staticmethod
    def _usable(key):
        """Returns whether a key can be that of a session: the driver refuses others."""
        return bool(key) and key.isascii() and key.isprintable()


def _json_of(part):
    return json.dumps(part, sort_keys=True)


def _marked(value):
    """Adds the keys of each object whose keys jsonb would put in another order.

    Raises ValueError for what jsonb cannot hold: NUL characters, halves of surrogate
    pairs, numbers that would come back as others, and ORDER itself.
    """
    if isinstance(value, dict):
        if ORDER in value:
            raise ValueError
        made = {_marked(key): _marked(part) for key, part in value.items()}
        keys = list(value)
        if keys != sorted(keys, key=lambda key: (len(key.encode()), key.encode())):
            made[ORDER] = keys
        return made
    if isinstance(value, list):
        return [_marked(part) for part in value]
    if isinstance(value, str) and "\0" in value:
        raise ValueError
    if isinstance(value, str):
        value.encode()
    if isinstance(value, float) and not (abs(value) < 1e15 and str(value) != "-0.0"):
        raise ValueError
    return value


def _unmarked(value):
    """Puts the keys of each object in the order that _marked() has added."""
    if isinstance(value, list):
        return [_unmarked(part) for part in value]
    if not isinstance(value, dict):
        return value
    order = value.get(ORDER)
    if isinstance(order, list):
        known = [key for key in order if isinstance(key, str) and key in value]
        value = {key: value[key] for key in [*known, *value] if key != ORDER}
    return {key: _unmarked(part) for key, part in value.items()}
