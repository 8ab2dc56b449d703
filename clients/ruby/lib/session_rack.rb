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
# * A mistake of the programmer is an ArgumentError that names the option or the key.
module SessionRack
  VERSION = "1.0.0"

  # Returns the JSON of a value if it comes back as it is, or nil. jsonb has no NUL
  # characters, and makes an integer of a number with a positive exponent.
  def self.json(value)
    json = JSON.generate(value)
    json if !json.include?('\u0000') && JSON.parse(json) == value &&
            !json.gsub(/"(?:\\.|[^"\\])*"/, "").include?("e+")
  rescue JSON::JSONError
    nil
  end

  class Store < Rack::Session::Abstract::PersistedSecure
    ROW = "session_rack.row"
    private_constant :ROW

    # The session of a request as the database has it. parts: the JSON of each key, sid:
    # the id in the cookie if it is not the token.
    Row = Struct.new(:token, :id, :user, :parts, :sid)
    private_constant :Row

    # The options of Rack that may be given, beside those of DEFAULT_OPTIONS.
    RACK_OPTIONS = %i[same_site max_age partitioned].freeze
    # An id that is the hash of another: Rack::Session::SessionId makes them.
    PRIVATE_ID = /\A\d+::/.freeze
    private_constant :RACK_OPTIONS, :PRIVATE_ID

    REQUEST = "ip => session_ip($1, $2), user_agent => $3"
    LOAD = "SELECT id, user_id, data FROM session_validate($4, #{REQUEST})"
    CREATE = <<~SQL
      SELECT token, id FROM session_create($4, $5::jsonb, #{REQUEST}, sliding => true,
                                           lifetime => make_interval(secs => $6::float8))
    SQL
    REGENERATE = <<~SQL
      SELECT token, id FROM session_regenerate($4, user_id => $5, #{REQUEST}, auth_level => $6,
        amr => (SELECT array_agg(a.method) FROM json_array_elements_text($7::json) AS a (method)))
    SQL
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
    # user: the key of the session that has the id of the user, or a proc that returns it
    #   from the data of the session.
    # lifetime: seconds that a session lives without a request; expire_after, or a day.
    # proxies: the number of your proxies that add to X-Forwarded-For; 0: the address is
    #   REMOTE_ADDR.
    # private_ids: true, if the store of before had the private ids of Rack in its table,
    #   as that of Rails has, and they are the tokens now.
    # The options of Rack, such as :key, :secure and :same_site, apply, too.
    def initialize(app, options = {})
      options = { same_site: :lax }.merge(options)
      @database = options.delete(:database)
      @user = options.delete(:user) || "user_id"
      @user = @user.to_s unless @user.respond_to?(:call)
      @lifetime = options.delete(:lifetime) || options[:expire_after] || 86_400
      @proxies = options.delete(:proxies) || 0
      @private_ids = options.delete(:private_ids) || false
      check(options)
      super(app, options)
    end

    # Binds the session of a request to the running transaction of a connection, for
    # row-level security. Returns whether the session is live.
    def self.bind(connection, env)
      of(env).bind(connection, Rack::Request.new(env))
    end

    # Records what the user has proven now, such as a second factor or the password again,
    # and gives the session a new id when the response is sent. session_require and
    # policies know it from the next request on.
    def self.step_up(env, auth_level: 1, amr: nil)
      of(env).step_up(Rack::Request.new(env), auth_level, amr)
    end

    # Returns the store of a request.
    def self.of(env)
      env["session_rack.store"] or
        raise ArgumentError, "the request did not pass #{name}: use it in front of the application"
    end
    private_class_method :of

    def bind(connection, request)
      unless connection.transaction_status == PG::PQTRANS_INTRANS
        raise ArgumentError, "bind needs a transaction of the connection: call it in transaction { }"
      end
      token = usable(own(request).id)
      connection.exec_params(BIND, [*client(request), token]).getvalue(0, 0) == "t"
    end

    def step_up(request, auth_level, amr)
      unless auth_level.is_a?(Integer) && auth_level >= 0
        raise ArgumentError, "auth_level must be an integer, 0 or more: it is #{auth_level.inspect}"
      end
      session = own(request)
      raise ArgumentError, "step_up needs a user: set it in the session before" unless user_of(session.to_hash)

      request.set_header("session_rack.proven", [auth_level, amr && JSON.generate(amr.map(&:to_s))])
      session.options[:renew] = true
    end

    # Returns the public id of the session, which may be logged; nil before it is stored.
    def self.id(env)
      env[ROW]&.id
    end

    private

    def check(options)
      unless @database.respond_to?(:with)
        raise ArgumentError, "database must have a method \"with\" that yields a PG::Connection, " \
                             "as a ConnectionPool has: it is #{@database.class}"
      end
      raise ArgumentError, "user must not be empty" if @user == ""
      unless @lifetime.is_a?(Numeric) && @lifetime.positive?
        raise ArgumentError, "lifetime must be a number of seconds, more than 0: it is #{@lifetime.inspect}"
      end
      unless @proxies.is_a?(Integer) && !@proxies.negative?
        raise ArgumentError, "proxies must be the number of your proxies, 0 or more: it is #{@proxies.inspect}"
      end
      unknown = options.keys - self.class::DEFAULT_OPTIONS.keys - rack_options
      raise ArgumentError, "unknown option: #{unknown.map(&:inspect).join(', ')}" unless unknown.empty?
    end

    def rack_options
      RACK_OPTIONS
    end

    def prepare_session(req)
      super
      remember(req)
    end

    def remember(req)
      req.set_header("session_rack.store", self)
      req.set_header("session_rack.session", req.get_header(Rack::RACK_SESSION))
    end

    # Returns the session of a request, which is one of this store.
    def own(request)
      session = request.get_header(Rack::RACK_SESSION)
      return session if session.equal?(request.get_header("session_rack.session"))

      raise ArgumentError, "the session of the request is that of another store: use one of them only"
    end

    def find_session(req, sid)
      token = usable(sid)
      found = token && query(LOAD, [*client(req), token]).first
      return [nil, {}] unless found

      data = JSON.parse(found["data"])
      req.set_header(ROW, Row.new(token, found["id"], found["user_id"], parts(data), sid))
      [sid, data]
    end

    # An empty session that is not stored needs neither a row nor a cookie.
    def commit_session?(req, session, options)
      super && !(req.get_header(ROW).nil? && session.empty?)
    end

    def write_session(req, _sid, data, options)
      row = req.get_header(ROW)
      user = user_of(data)
      parts = checked(data)
      if row && row.user && row.user != user
        return false unless revoke(row.token)

        row = nil
      end
      row ||= created(req, user, parts)
      row &&= regenerated(req, row, user, options)
      return false unless row && changed(row, parts)

      row.parts = parts
      req.set_header(ROW, row)
      row.sid || Rack::Session::SessionId.new(row.token)
    end

    # Returns the id of the user, as text, or nil.
    def user_of(data)
      user = @user.respond_to?(:call) ? @user.call(data) : data[@user]
      return user&.to_s if user.nil? || user.is_a?(Integer) || (user.is_a?(String) && !user.empty?)

      what = @user.respond_to?(:call) ? "what the proc of the option user returns" : "session[#{@user.inspect}]"
      raise ArgumentError, "#{what} must be the id of a user, an Integer or a String that is not empty, " \
                           "or nil: it is #{user == '' ? 'empty' : "a #{user.class}"}"
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
      proven = req.get_header("session_rack.proven")
      return row if row.user == user && !proven && !(options[:renew] && row.sid)

      made = query(REGENERATE, [*client(req), row.token, user, *(proven || [nil, nil])]).first
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
        json = SessionRack.json(value) or
          raise ArgumentError, "session[#{key.inspect}] must be what JSON can hold, with texts as keys: " \
                               "it is, or has, another value; its class is #{value.class}"
        [key, json]
      end
    end

    def parts(data)
      data.to_h { |key, value| [key, JSON.generate(value)] }
    end

    def object(parts)
      "{#{parts.map { |key, json| "#{JSON.generate(key)}: #{json}" }.join(', ')}}"
    end

    # Returns the token of an id, or nil: the driver refuses other characters. A client that
    # sends a private id has it from a table, and not from a cookie.
    def usable(sid)
      text = sid&.public_id
      return unless text.is_a?(String) && text.match?(/\A[!-~]+\z/) && !text.match?(PRIVATE_ID)

      @private_ids && !text.start_with?("st_") ? sid.private_id : text
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
    rescue PG::UndefinedFunction => error
      raise unless error.message.include?("session_")

      raise "the database does not have the functions of the extension \"session\": run CREATE EXTENSION " \
            "session in it, and put the schema of the extension into the search_path of the role"
    end
  end
end
