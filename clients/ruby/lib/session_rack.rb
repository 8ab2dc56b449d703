# frozen_string_literal: true

require "json"
require "rack"
require "rack/session/abstract/id"

# A session store of Rack on the PostgreSQL extension "session".
#
# Rules:
# * The database makes the ids (ordinary tokens, st_...). An id that came from a client
#   never becomes that of a new session.
# * A session is stored when there is something to store. A request that changes nothing
#   writes nothing.
# * When the user changes, the id changes, too.
# * A session that has ended is not written again.
# * A write changes the keys that have changed, so that parallel requests which change
#   different keys keep both changes.
module SessionRack
  VERSION = "1.0.0"

  class Store < Rack::Session::Abstract::PersistedSecure
    ROW = "session_rack.row"
    private_constant :ROW

    # The session of a request as the database has it. parts: the JSON of each key.
    Row = Struct.new(:token, :id, :user, :parts)
    private_constant :Row

    REQUEST = "ip => session_ip($1, $2), user_agent => $3"
    LOAD = "SELECT id, user_id, data FROM session_validate($4, #{REQUEST})"
    CREATE = <<~SQL
      SELECT token, id FROM session_create($4, $5::jsonb, #{REQUEST}, sliding => true,
                                           lifetime => make_interval(secs => $6::float8))
    SQL
    REGENERATE = "SELECT token, id FROM session_regenerate($4, user_id => $5, #{REQUEST})"
    REVOKE = "SELECT session_revoke($1)"
    CHANGE = <<~SQL
      SELECT COALESCE((SELECT bool_and(session_data_set($1, c.key, c.value))
                         FROM jsonb_each($2::jsonb) AS c), true) AND
             COALESCE((SELECT bool_and(session_data_delete($1, g.key))
                         FROM jsonb_array_elements_text($3::jsonb) AS g (key)), true)
    SQL
    BIND = "SELECT COALESCE(session_authenticate($4, #{REQUEST}), false)"
    private_constant :REQUEST, :LOAD, :CREATE, :REGENERATE, :REVOKE, :CHANGE, :BIND

    # database: has a method "with" that yields a PG::Connection, as the gem
    #   connection_pool has.
    # user: the key of the session that has the id of the user.
    # lifetime: seconds that a session lives without a request.
    # proxies: the number of your proxies that add to X-Forwarded-For; 0: the address is
    #   REMOTE_ADDR.
    # The options of Rack, such as :key, :secure and :same_site, apply, too.
    def initialize(app, options)
      options = { same_site: :lax }.merge(options)
      @database = options.delete(:database)
      @user = options.delete(:user) || "user_id"
      @lifetime = options.delete(:lifetime) || 86_400
      @proxies = options.delete(:proxies) || 0
      super(app, options)
    end

    # Binds the session of a request to the running transaction of a connection, for
    # row-level security. Returns whether the session is live.
    def self.bind(connection, env)
      env.fetch("session_rack.store").bind(connection, Rack::Request.new(env))
    end

    def bind(connection, request)
      unless connection.transaction_status == PG::PQTRANS_INTRANS
        raise ArgumentError, "bind needs a transaction"
      end
      token = usable(request.session.id)
      connection.exec_params(BIND, [*client(request), token]).getvalue(0, 0) == "t"
    end

    # Returns the public id of the session, which may be logged; nil before it is stored.
    def self.id(env)
      env[ROW]&.id
    end

    private

    def prepare_session(req)
      req.set_header("session_rack.store", self)
      super
    end

    def find_session(req, sid)
      token = usable(sid)
      found = token && query(LOAD, [*client(req), token]).first
      return [nil, {}] unless found

      data = JSON.parse(found["data"])
      req.set_header(ROW, Row.new(token, found["id"], found["user_id"], parts(data)))
      [sid, data]
    end

    # An empty session that is not stored needs neither a row nor a cookie.
    def commit_session?(req, session, options)
      super && !(req.get_header(ROW).nil? && session.empty?)
    end

    def write_session(req, _sid, data, options)
      row = req.get_header(ROW)
      user = data[@user]&.to_s
      parts = checked(data)
      if row && row.user && row.user != user
        return false unless revoke(row.token)

        row = nil
      end
      row = row ? regenerated(req, row, user, options) : created(req, user, parts)
      return false unless row && changed(row, parts)

      row.parts = parts
      req.set_header(ROW, row)
      Rack::Session::SessionId.new(row.token)
    end

    # Ends the session, unless it goes on with a new id, which write_session gives it.
    def delete_session(req, sid, options)
      row = req.get_header(ROW)
      return row && sid || generate_sid if options[:renew] && !options[:drop]

      token = row ? row.token : usable(sid)
      revoke(token) if token
      req.set_header(ROW, nil)
      nil
    end

    def created(req, user, parts)
      made = query(CREATE, [*client(req), user, object(parts), @lifetime]).first
      Row.new(made["token"], made["id"], user, parts)
    end

    # Gives the session a new id if its user logs in, or the request asks for it. Returns
    # nil if it has ended.
    def regenerated(req, row, user, options)
      return row if row.user == user && !options[:renew]

      made = query(REGENERATE, [*client(req), row.token, user]).first
      made && Row.new(made["token"], made["id"], user, row.parts)
    end

    # Writes what has changed. Returns whether the session is live.
    def changed(row, parts)
      set = parts.reject { |key, json| row.parts[key] == json }
      gone = row.parts.keys - parts.keys
      return true if set.empty? && gone.empty?

      query(CHANGE, [row.token, object(set), JSON.generate(gone)]).getvalue(0, 0) == "t"
    end

    def revoke(token)
      query(REVOKE, [token]).getvalue(0, 0) == "t"
    end

    # Returns the JSON of each key. Raises ArgumentError for a value that would come back
    # as another.
    def checked(data)
      data.to_h do |key, value|
        json = kept(value) or raise ArgumentError, "session[#{key.inspect}] is not JSON"
        [key, json]
      end
    end

    # Returns the JSON of a value if it comes back as it is. jsonb has no NUL characters,
    # and makes an integer of a number with a positive exponent.
    def kept(value)
      json = JSON.generate(value)
      json if !json.include?('\u0000') && JSON.parse(json) == value &&
              !json.gsub(/"(?:\\.|[^"\\])*"/, "").include?("e+")
    rescue JSON::JSONError
      nil
    end

    def parts(data)
      data.to_h { |key, value| [key, JSON.generate(value)] }
    end

    def object(parts)
      "{#{parts.map { |key, json| "#{JSON.generate(key)}: #{json}" }.join(', ')}}"
    end

    # Returns the text of an id, or nil: the driver refuses other characters.
    def usable(sid)
      text = sid&.public_id
      text if text.is_a?(String) && text.match?(/\A[!-~]+\z/)
    rescue ArgumentError
      nil
    end

    # Returns the address, the number of proxies and the user agent of a request.
    def client(req)
      name = @proxies.positive? ? "HTTP_X_FORWARDED_FOR" : "REMOTE_ADDR"
      [clean(req.get_header(name)), [@proxies, 1].max, clean(req.get_header("HTTP_USER_AGENT"))]
    end

    def clean(text)
      text&.dup&.force_encoding(Encoding::UTF_8)&.scrub("")&.delete("\0")
    end

    def query(sql, values)
      @database.with { |connection| connection.exec_params(sql, values) }
    end
  end
end
