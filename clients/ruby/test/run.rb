# frozen_string_literal: true

# Makes a database, runs the tests against the application of README.md, and prints TAP.

require "open3"
require "pg"
require "rbconfig"
require "stringio"
require_relative "../lib/session_rack"

begin
  require "rails"
  require "action_controller/railtie"
  require_relative "../lib/session_rails"
rescue LoadError
  warn "without Rails"
end

README = File.read(File.join(__dir__, "../README.md"))
NAME = "session_rack"
SERVER = { host: ENV.fetch("PGHOST"), port: ENV.fetch("PGPORT", "5432"),
           user: ENV.fetch("PGUSER", "postgres") }.freeze

def connect(**options)
  PG.connect(**SERVER, **options).tap { |connection| connection.exec("SET client_min_messages = error") }
end

# Returns the code of README.md that is marked with a name.
def block(name)
  found = README[/<!-- test: #{name} -->\n *```\w+\n(.*?)```/m, 1] or raise "no block #{name}"
  found.gsub(/^ {3}(?! )/, "").gsub(/^   (?=  )/, "")
end

# A pool of one connection, in place of that of the gem connection_pool.
class OnePool
  def initialize(size:)
    @lock = Mutex.new
    @connection = yield
  end

  def with
    @lock.synchronize { yield @connection }
  end
end

def owner(sql, *values)
  ($owner ||= connect(dbname: NAME)).exec_params(sql, values)
end

def value(sql, *values)
  owner(sql, *values).getvalue(0, 0)
end

class Browser
  attr_accessor :id, :line, :errors

  def initialize(app, id = nil)
    @app, @id = app, id
  end

  attr_reader :status

  # The name of the cookie.
  def name
    "rack.session"
  end

  def send(method, path, params = {}, headers = {})
    @errors = StringIO.new
    options = { method: method, "HTTP_USER_AGENT" => "Firefox/145", "REMOTE_ADDR" => "198.51.100.7",
                "rack.errors" => @errors, params: params }
    options["HTTP_COOKIE"] = "#{name}=#{@id}" if @id
    env = Rack::MockRequest.env_for(path, options.merge(headers))
    @status, answer, body = @app.call(env)
    @line = Array(answer["Set-Cookie"] || answer["set-cookie"]).join
    @id = Rack::Utils.unescape(@line[/#{name}=([^;]*)/, 1]) unless @line.empty?
    JSON.parse(body.each.to_a.join)
  end
end

def same(expected, actual)
  raise "expected #{expected.inspect}, got #{actual.inspect}" unless expected == actual
end

def fails(error)
  yield
rescue error => caught
  caught
else
  raise "no #{error}"
end

# The table of activerecord-session_store, and a row as it writes it. With the sources of that
# gem in ACTIVERECORD_SESSION_STORE, the gem itself writes the rows.
def old_sessions
  owner("DROP TABLE IF EXISTS moved, sessions")
  owner("CREATE TABLE sessions (id bigserial PRIMARY KEY, session_id varchar NOT NULL UNIQUE, data text,
           created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL)")
  owner("GRANT ALL ON sessions TO #{NAME}")
  owner("GRANT CREATE ON SCHEMA public TO #{NAME}")
  foreign_tokens
  owner("SET TimeZone = 'Pacific/Auckland'")
end

# Turns foreign tokens on, as the README does.
def foreign_tokens
  owner("SET session.foreign_tokens = on")
  block("foreign").gsub(/\bshop\b/, NAME).split(";\n").each { |sql| owner(sql) }
  POOL.with(&:reset)
end

def private_id(id)
  Rack::Session::SessionId.new(id).private_id
end

# Makes a session of the old application. Returns the id in its cookie.
def old_session(user, raw: false, json: false, text: nil)
  data = { "cart" => ["tea"] }
  data["user_id"] = user unless user == "visitor"
  data["time"] = Time.now if user == "time"
  return original_session(data, json) if ENV["ACTIVERECORD_SESSION_STORE"] && !raw && !text

  id = SecureRandom.hex(16)
  text ||= json ? JSON.dump(value: data) : [Marshal.dump(data)].pack("m")
  owner("INSERT INTO sessions (session_id, data, created_at, updated_at)
         VALUES ($1, $2, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')", raw ? id : private_id(id), text)
  id
end

# Lets the store of the gem make a session, by a request.
def original_session(data, json)
  $LOAD_PATH.unshift(File.join(ENV["ACTIVERECORD_SESSION_STORE"], "lib"))
  require "active_record"
  require "activerecord/session_store"
  ActiveRecord::Base.establish_connection(adapter: "postgresql", database: NAME, host: SERVER[:host],
                                          port: SERVER[:port], username: SERVER[:user])
  ActiveRecord::SessionStore::Session.serializer = json ? :json : :marshal
  store = ActionDispatch::Session::ActiveRecordStore.new(
    ->(env) { env["rack.session"].update(data); [200, {}, []] }, same_site: nil
  )
  env = Rack::MockRequest.env_for("/")
  ActionDispatch::Cookies.new(store).call(env)[1]["Set-Cookie"][/_session_id=(\h{32})/, 1]
ensure
  ActiveRecord::Base.remove_connection
end

# Runs import-rails.rb. Returns what it prints.
def import(*arguments)
  url = "host=#{SERVER[:host]} port=#{SERVER[:port]} dbname=#{NAME} user=#{NAME}"
  out, err, status = Open3.capture3(RbConfig.ruby, File.join(__dir__, "../import-rails.rb"), url, *arguments)
  raise err unless status.success?

  [out, err]
end

# Runs the statement of examples/moving/rails.sql that begins with these words.
def rails_sql(start)
  text = File.read(File.join(__dir__, "../../../examples/moving/rails.sql"))
  found = text.split(/;\n(?:\n|\z)/).map { |part| part.sub(/\A(--.*\n|\n)*/, "") }.select { |part| part.start_with?(start) }
  same 1, found.size
  owner(found[0])
end

# The check of the code that the README leaves to the application.
def correct(_user, code)
  code == "123"
end

# The application of the README, with HTTPS left out.
def readme_app
  code = block("config").sub('require "connection_pool"', "").sub("ConnectionPool.new", "OnePool.new")
                        .sub('require_relative "lib/session_rack"', "").sub(", secure: true", "")
                        .sub('dbname: "shop", user: "shop"', "**SERVER, dbname: NAME, user: NAME")
  code = code.sub("use SessionRack", "#{"" if defined?(POOL)}use SessionRack")
  build(code + block("app"))
end

def build(code)
  app = Rack::Builder.new
  app.instance_eval(code.sub("POOL = ", "Object::POOL = "))
  app.to_app
end

# An application of one block, on the store.
def app(**options, &work)
  SessionRack::Store.new(lambda { |env|
    result = work.call(env["rack.session"], env)
    [200, {}, [JSON.generate(result)]]
  }, { database: POOL, **options })
end

# An application of Rails, with the store of the README, and a browser for it.
if defined?(SessionRack::RailsStore)
  def rails_app
    code = block("rails").gsub(/^require.*\n/, "").sub(/^POOL = .*\n/, "").sub(", secure: true", "")
    app = Class.new(Rails::Application) do
      config.root = __dir__
      config.secret_key_base = "x" * 64
      config.eager_load = false
      config.hosts.clear
      config.logger = Logger.new(File::NULL)
      config.load_defaults Rails::VERSION::STRING.to_f
      config.action_dispatch.show_exceptions = Rails.version < "7.1" ? false : :none
      routes.append do
        %w[cart form devices bad].each { |path| get path, to: "session_shop##{path}" }
        %w[add login logout step_up].each { |path| post path, to: "session_shop##{path}" }
      end
    end
    Rails.application = app.instance
    eval(code)
    app.initialize!
    app
  end

  class SessionShopController < ActionController::Base
    protect_from_forgery with: :exception

    def form
      render json: [form_authenticity_token]
    end

    def cart
      raise "the session is not one of Rails" unless session.is_a?(ActionDispatch::Request::Session)

      render json: [session[:cart], session["user_id"], flash[:notice], SessionRack::Store.id(request.env).to_s.size]
    end

    def add
      session[:cart] = (session[:cart] || []) + [params[:item]]
      flash[:notice] = "added"
      render json: []
    end

    def login
      reset_session if params[:reset]
      session[:user_id] = params[:name]
      render json: []
    end

    def logout
      reset_session
      render json: []
    end

    def step_up
      SessionRack::Store.step_up(request.env, auth_level: 2)
      render json: []
    end

    def devices
      POOL.with do |db|
        db.transaction do
          SessionRack::Store.bind(db, request.env)
          render json: db.exec("SELECT user_id, auth_level, current FROM session_mine()").to_a
        end
      end
    end

    def bad
      session[:time] = Time.now
      render json: []
    end
  end

  class RailsBrowser < Browser
    def name
      "_session_id"
    end

    def post(path, params = {})
      token = send("GET", "/form")[0]
      send("POST", path, params.merge("authenticity_token" => token))
    end
  end

  RAILS_TESTS = {
    "in Rails: cart, flash, forgery, login, devices, step-up, reset_session" => lambda {
      ada = RailsBrowser.new($rails = rails_app)
      same [nil, nil, nil, 0], ada.send("GET", "/cart")
      same nil, ada.id
      ada.post("/add", "item" => "tea")
      same true, ada.id.match?(/\Ast_[-\w]{64}\z/)
      same [["tea"], nil, "added", 36], ada.send("GET", "/cart")
      same [["tea"], nil, nil, 36], ada.send("GET", "/cart")
      visitor = ada.id
      ada.post("/login", "name" => "ada")
      same [false, "unknown"], [ada.id == visitor, value("SELECT session_status($1)", visitor)]
      same true, ada.line.match?(/httponly/i) && ada.line.match?(/samesite=lax/i)
      same [["tea"], "ada", nil, 36], ada.send("GET", "/cart")
      ada.post("/step_up")
      same [{ "user_id" => "ada", "auth_level" => "2", "current" => "t" }], ada.send("GET", "/devices").select { |row| row["current"] == "t" }
      key = ada.id
      ada.post("/login", "name" => "ben", "reset" => "1")
      same "revoked", value("SELECT session_status($1)", key)
      same [nil, "ben", nil, 36], ada.send("GET", "/cart")
      key = ada.id
      ada.post("/logout")
      same "revoked", value("SELECT session_status($1)", key)
      same [nil, nil, nil, 0], ada.send("GET", "/cart")
    },
    "in Rails: a planted id, and a private id, are no session" => lambda {
      member = RailsBrowser.new($rails)
      member.post("/login", "name" => "ada")
      foreign_tokens
      private_id = Rack::Session::SessionId.new("a" * 32).private_id
      owner("SELECT session_create('root', token => $1)", private_id)
      ["a" * 32, private_id, Rack::Utils.escape(private_id), Rack::Session::SessionId.new(member.id).private_id].each do |planted|
        browser = RailsBrowser.new($rails, planted)
        same [nil, nil, nil, 0], browser.send("GET", "/cart")
        browser.post("/login", "name" => "eve")
        same true, browser.id.match?(/\Ast_[-\w]{64}\z/)
      end
      owner("SELECT session_revoke_user('root')")
    },
    "in Rails: a value that is not JSON is an error" => lambda {
      same true, fails(ArgumentError) { RailsBrowser.new($rails).send("GET", "/bad") }.message.include?('"time"')
    },
  }.freeze
end

TESTS = {
  "the version is that of the extension" => lambda {
    same JSON.parse(File.read(File.join(__dir__, "../../../META.json")))["version"], SessionRack::VERSION
  },
  "the example of the README: cart, login, devices, logout" => lambda {
    $app = readme_app
    ada = Browser.new($app)
    same [], ada.send("GET", "/cart")
    same "", ada.line
    ada.send("POST", "/cart", "item" => "tea")
    visitor = ada.id
    same true, visitor.match?(/\Ast_[-\w]{64}\z/)
    same true, ada.line.match?(/httponly/i) && ada.line.match?(/samesite=lax/i)
    ada.send("POST", "/login", "name" => "ada")
    same false, ada.id == visitor
    same "unknown", value("SELECT session_status($1)", visitor)
    same ["tea"], ada.send("GET", "/cart")
    same "", ada.line
    other = Browser.new($app)
    other.send("POST", "/login", "name" => "ada")
    same %w[f t], ada.send("GET", "/devices").map { |row| row["current"] }.sort
    same [], Browser.new($app).send("GET", "/devices")
    ada.send("POST", "/pay")
    same 403, ada.status
    key = ada.id
    ada.send("POST", "/second-factor", "code" => "wrong")
    same [401, key], [ada.status, ada.id]
    ada.send("POST", "/second-factor", "code" => "123")
    same [200, "unknown"], [ada.status, value("SELECT session_status($1)", key)]
    ada.send("POST", "/pay")
    same 200, ada.status
    row = owner("SELECT user_id, host(ip) AS ip, user_agent FROM session_validate($1)", ada.id).first
    same({ "user_id" => "ada", "ip" => "198.51.100.7", "user_agent" => "Firefox/145" }, row)
    key = ada.id
    ada.send("POST", "/logout")
    same "revoked", value("SELECT session_status($1)", key)
    owner("SELECT session_revoke_user('ada')")
    same [], other.send("GET", "/devices")
    browsers = Array.new(2) { Browser.new($app).tap { |browser| browser.send("POST", "/login", "name" => "ada") } }
    browsers[0].send("POST", "/logout-everywhere")
    same %w[revoked revoked], browsers.map { |browser| value("SELECT session_status($1)", browser.id) }
  },
  "what the user has proven and when stays with a new id, and a step-up adds to it" => lambda {
    proven = lambda do |browser|
      owner("SELECT auth_level, array_to_string(amr, ' '), extract(epoch FROM now() - authenticated_at)::int
               FROM session_validate($1)", browser.id).values[0]
    end
    change = nil
    browser = Browser.new(app { |session, env| change.call(session, env); 1 })
    once = ->(&work) { change = work; browser.send("GET", "/") }
    once.call { |session| session["user_id"] = 7 }
    same ["1", nil, "0"], proven.call(browser)
    owner("UPDATE session.sessions SET authenticated_at = now() - interval '600 s' WHERE user_id = '7'")
    once.call { |session, env| session["n"] = 1; env["rack.session.options"][:renew] = true }
    same ["1", nil, "600"], proven.call(browser)
    once.call { |_session, env| SessionRack::Store.step_up(env, auth_level: 2, amr: %w[pwd otp]) }
    same ["2", "pwd otp", "0"], proven.call(browser)
    # At the login of a visitor, too.
    browser = Browser.new(app { |session, env| change.call(session, env); 1 })
    once.call { |session, env| session["user_id"] = 8; SessionRack::Store.step_up(env, auth_level: 3) }
    same ["3", nil, "0"], proven.call(browser)
    once.call { |session, env| session.delete("user_id"); fails(ArgumentError) { SessionRack::Store.step_up(env) } }
  },
  "a wrong option is an error that names it, when the application starts" => lambda {
    pg = connect(dbname: NAME)
    { { database: nil } => /^database must have a method "with".*: it is NilClass/, { database: pg } => /PG::Connection$/,
      { user: "" } => /^user must/, { lifetime: 0 } => /^lifetime must.*it is 0/, { lifetime: "1 day" } => /^lifetime/,
      { proxies: -1 } => /^proxies must.*it is -1/, { proxies: true } => /^proxies/,
      { life_time: 5, usr: 1 } => /^unknown option: :life_time, :usr$/ }.each do |wrong, message|
      error = fails(ArgumentError) { SessionRack::Store.new(nil, { database: POOL }.merge(wrong)) }
      same true, error.message.match?(message)
    end
    pg.close
    SessionRack::Store.new(nil, database: POOL, key: "sid", secure: true, same_site: :strict, path: "/a",
                                domain: "a.test", expire_after: 60, httponly: true, defer: false, max_age: 5)
  },
  "a user that is no id is an error, also of a proc; a symbol names the key" => lambda {
    { "user_id" => /^session\["user_id"\] must/, ->(data) { data["user_id"] } => /^what the proc/ }.each do |user, message|
      [[1], true, 1.5, { "id" => 1 }, ""].each do |wrong|
        error = fails(ArgumentError) { Browser.new(app(user: user) { |session, _env| session["user_id"] = wrong; 1 }).send("GET", "/") }
        same true, error.message.match?(message)
      end
    end
    [:who, ->(data) { data["who"] }].each do |user|
      browser = Browser.new(app(user: user) { |session, _env| session["who"] = 7 })
      browser.send("GET", "/")
      same "7", value("SELECT user_id FROM session_validate($1)", browser.id)
    end
  },
  "expire_after is the lifetime and stays the age of the cookie" => lambda {
    browser = Browser.new(app(expire_after: 1000) { |session, _env| session["n"] = 1 })
    browser.send("GET", "/")
    same true, browser.line.match?(/expires=/i)
    same "1000", value("SELECT extract(epoch FROM idle_timeout)::int FROM session.sessions WHERE id = (SELECT id FROM session_validate($1))", browser.id)
  },
  "a database without the extension is an error that says so" => lambda {
    plain = Object.new
    plain.define_singleton_method(:with) { |&work| work.call(connect(dbname: ENV.fetch("PGDATABASE", "postgres"))) }
    store = SessionRack::Store.new(->(env) { env["rack.session"]["n"] = 1; [200, {}, []] }, database: plain)
    same true, fails(RuntimeError) { store.call(Rack::MockRequest.env_for("/")) }.message.include?("CREATE EXTENSION session")
  },
  "bind and step_up say that another store has the session" => lambda {
    inner = SessionRack::Store.new(lambda { |env|
      env["rack.session"] = {}
      POOL.with { |db| db.transaction { same true, fails(ArgumentError) { SessionRack::Store.bind(db, env) }.message.include?("another store") } }
      env["rack.session"] = env["session_rack.session"]
      [200, {}, []]
    }, database: POOL)
    inner.call(Rack::MockRequest.env_for("/"))
    error = fails(ArgumentError) { SessionRack::Store.step_up({}) }
    same true, error.message.include?("did not pass SessionRack::Store")
  },
  "an id that was planted never becomes that of a session" => lambda {
    ["a" * 32, "st_#{"A" * 64}", "short", "a%00b", "%FF%FE", "%C3%BC" * 30, "x" * 3000].each do |planted|
      browser = Browser.new($app, planted)
      browser.send("POST", "/cart", "item" => "tea")
      same true, browser.id.match?(/\Ast_[-\w]{64}\z/)
      same false, browser.id == planted
    end
  },
  "an empty session has neither a row nor a cookie" => lambda {
    count = value("SELECT count(*) FROM session.sessions")
    browser = Browser.new(app { |session, _env| session["a"] = 1; session.delete("a"); session.clear })
    browser.send("GET", "/")
    browser.instance_variable_set(:@app, app { |session, _env| session["a"] = 1; session.destroy; 1 })
    browser.send("GET", "/")
    same [nil, count], [browser.id, value("SELECT count(*) FROM session.sessions")]
  },
  "another user gets another session, and the one before ends" => lambda {
    browser = Browser.new($app)
    browser.send("POST", "/login", "name" => "ada")
    key = browser.id
    browser.send("POST", "/login", "name" => "ben")
    same "revoked", value("SELECT session_status($1)", key)
    same "ben", value("SELECT user_id FROM session_validate($1)", browser.id)
  },
  "a session that ended while a request ran stays ended" => lambda {
    late = app do |session, _env|
      session["cart"]
      owner("SELECT session_revoke($1)", session.id.public_id)
      session["cart"] = [2]
      session["user_id"] = "8" if session["user_id"]
    end
    change = app { |session, _env| session["user_id"] = "7" if session["cart"]; session["cart"] = [1] }
    2.times do |n|
      browser = Browser.new(change)
      browser.send("GET", "/")
      browser.send("GET", "/") if n == 1
      key = browser.id
      count = value("SELECT count(*) FROM session.sessions")
      browser.instance_variable_set(:@app, late)
      browser.send("GET", "/")
      same true, browser.errors.string.include?("failed to save")
      same false, browser.errors.string.include?(key)
      same [key, "revoked", count], [browser.id, value("SELECT session_status($1)", key),
                                     value("SELECT count(*) FROM session.sessions")]
    end
  },
  "parallel requests keep changes of different keys, and what is not changed is not written" => lambda {
    start = app { |session, _env| session.update("a" => 1, "b" => 1, "c" => 1) && 1 }
    one = app { |session, _env| session["a"] = 2; session.delete("b") }
    two = app do |session, _env|
      session["c"]
      browser = Browser.new(one, session.id.public_id)
      browser.send("GET", "/")
      session["c"] = { "x" => nil }
      1
    end
    browser = Browser.new(start)
    browser.send("GET", "/")
    browser.instance_variable_set(:@app, two)
    browser.send("GET", "/")
    same({ "a" => 2, "c" => { "x" => nil } }, JSON.parse(value("SELECT session_data($1)", browser.id)))
    version = -> { value("SELECT xmin FROM session.sessions ORDER BY created_at DESC LIMIT 1") }
    before = version.call
    reader = Browser.new(app { |session, env| [session["a"], SessionRack::Store.id(env)] }, browser.id)
    same 2, reader.send("GET", "/")[0]
    same before, version.call
  },
  "renew gives a new id, keeps the data and ends the old id" => lambda {
    renew = app { |session, env| env["rack.session.options"][:renew] = true; session["n"] = (session["n"] || 0) + 1 }
    browser = Browser.new(renew)
    browser.send("GET", "/")
    key = browser.id
    same 2, browser.send("GET", "/")
    same false, browser.id == key
    same "unknown", value("SELECT session_status($1)", key)
    same({ "n" => 2 }, JSON.parse(value("SELECT session_data($1)", browser.id)))
  },
  "a value that is not JSON is an error that names its key" => lambda {
    [:symbol, Time.now, { a: 1 }, "a\0b", "\xff", [1e25], Float::NAN].each do |wrong|
      error = fails(ArgumentError) { Browser.new(app { |session, _env| session["wrong"] = wrong; 1 }).send("GET", "/") }
      same true, error.message.include?("wrong")
    end
    right = { "text" => "Zoë 🍵 \\u0041 1e+5 \"", "n" => [1, 0.5, true, 2**70], "h" => { "a" => {} } }
    browser = Browser.new(app { |session, _env| session["right"] ||= right })
    2.times { same right, browser.send("GET", "/") }
  },
  "bind needs a transaction, and the identity ends with it" => lambda {
    who = app do |session, env|
      session["user_id"] = env["HTTP_X_USER"] if env["HTTP_X_USER"]
      POOL.with do |db|
        fails(ArgumentError) { SessionRack::Store.bind(db, env) }
        bound = db.transaction do
          [SessionRack::Store.bind(db, env), db.exec("SELECT session_user_id()").getvalue(0, 0)]
        end
        same nil, db.exec("SELECT session_user_id()").getvalue(0, 0)
        bound
      end
    end
    lazy = app(proxies: 2) { |_session, _env| POOL.with { |db| db.exec("SELECT session_user_id()").getvalue(0, 0) } }
    browsers = %w[ada ben].map do |name|
      Browser.new(app { |session, _env| session["user_id"] = name }).tap { |browser| browser.send("GET", "/") }
    end
    browsers.each { |browser| browser.instance_variable_set(:@app, who) }
    same [[true, "ada"], [true, "ben"], [true, "ada"]], [*browsers, browsers[0]].map { |browser| browser.send("GET", "/") }
    same [false, nil], Browser.new(who).send("GET", "/")
    same nil, Browser.new(lazy).send("GET", "/")
  },
  "the address is that of X-Forwarded-For, as far as your proxies wrote it" => lambda {
    { 0 => "198.51.100.7", 1 => "203.0.113.2", 2 => "203.0.113.1", 3 => nil }.each do |proxies, expected|
      browser = Browser.new(app(proxies: proxies) { |session, _env| session["a"] = 1 })
      browser.send("GET", "/", {}, "HTTP_X_FORWARDED_FOR" => "203.0.113.1, 203.0.113.2")
      same expected, value("SELECT host(ip) FROM session_validate($1)", browser.id)
    end
  },
  "the sessions of Rails' ActiveRecord store go on working, until the login" => lambda {
    old_sessions
    ada, ben, time, visitor, gone = %w[ada ben time visitor gone].map { |user| old_session(user) }
    raw = old_session("raw", raw: true)
    json = old_session("json", json: true)
    strange = old_session("strange", text: ["\x04\bo:\tNope\x00"].pack("m"))
    ages = { gone => "30 days 1 hour", visitor => "29 days 23 hours" }
    ages.each do |id, age|
      owner("UPDATE sessions SET updated_at = updated_at - $1::interval WHERE session_id = $2", age, private_id(id))
    end
    owner("ALTER ROLE #{NAME} SET TimeZone = 'Pacific/Auckland'")
    out, err = import("2592000", "user_id")
    same "copied 6 sessions\n", out
    same true, err.include?("time is left out of 1 sessions") && err.match?(/a row is left: undefined class.*Nope/)
    who = app(private_ids: true) { |session, _env| [session["user_id"], session["cart"]] }
    same [["ada", ["tea"]], ["raw", ["tea"]], ["json", ["tea"]], [nil, ["tea"]]],
         [ada, raw, json, visitor].map { |id| Browser.new(who, id).send("GET", "/") }
    same [[nil, nil]] * 2, [gone, strange].map { |id| Browser.new(who, id).send("GET", "/") }
    same [nil, nil], Browser.new(app { |session, _env| [session["user_id"], session["cart"]] }, ada).send("GET", "/")
    same %w[ada t t], owner("SELECT user_id, expires_at - now() BETWEEN '2591940 s' AND '2592060 s', authenticated_at < now() - interval '1 year'
                                   FROM session_validate($1)", private_id(ada)).values[0]

    # A copy of the table is of no use: the hash is no cookie.
    plain = app { |session, _env| [session["user_id"], session["cart"]] }
    same [[nil, nil]] * 2, [who, plain].map { |each| Browser.new(each, private_id(ada)).send("GET", "/") }

    # It can be changed, and keeps its cookie until the id changes.
    add = app(private_ids: true) { |session, env| env["rack.session.options"][:renew] = env["PATH_INFO"] == "/renew"; session["cart"] += ["cup"] }
    browser = Browser.new(add, ada)
    browser.send("GET", "/")
    same [ada, %w[tea cup]], [browser.id, JSON.parse(value("SELECT session_data($1) -> 'cart'", private_id(ada)))]
    browser.send("GET", "/renew")
    same true, browser.id.match?(/\Ast_[-\w]{64}\z/)
    same [nil, nil], Browser.new(who, ada).send("GET", "/")
    login = Browser.new(app(private_ids: true) { |session, _env| session["user_id"] = "vera" }, visitor)
    login.send("GET", "/")
    same "vera", value("SELECT user_id FROM session_validate($1)", login.id)
    Browser.new(app(private_ids: true) { |session, _env| session.destroy; 1 }, ben).send("GET", "/")

    # The statements of examples/moving/rails.sql, and the way back.
    same %w[3 3], rails_sql("SELECT count(*) FILTER").values[0]
    same "copied 0 sessions\n", import("2592000", "user_id")[0]
    rails_sql("CREATE FUNCTION request_token")
    token = ->(cookies) { value("SELECT request_token($1)", cookies) }
    same private_id(raw), token.call("a=b; _session_id=#{raw}")
    same login.id, token.call("_session_id=#{raw}; __Host-session=#{login.id}")
    same nil, token.call("__Host-session=#{private_id(time)}")
    rails_sql("UPDATE sessions")
    rails_sql("DELETE FROM sessions")
    left = owner("SELECT session_id FROM sessions").values.flatten
    same [private_id(time), raw, private_id(json), private_id(gone), private_id(strange)].sort, left.sort
    same({ "value" => { "user_id" => "json", "cart" => ["tea"] } },
         JSON.parse(value("SELECT data FROM sessions WHERE session_id = $1", private_id(json))))
    owner("SELECT session_revoke($1)", private_id(json))
    owner("DROP TABLE moved, sessions")
  },
  "the sessions of Rails with serializer = :json move in SQL alone" => lambda {
    old_sessions
    ada = old_session("ada", json: true)
    raw = old_session("raw", json: true, raw: true)
    old_session("gone", json: true)
    { "gone" => "30 days 1 hour", "raw" => "29 days 23 hours" }.each do |user, age|
      owner("UPDATE sessions SET updated_at = updated_at - $1::interval WHERE data LIKE '%' || $2 || '%'", age, user)
    end
    2.times do
      rails_sql("CREATE TABLE IF NOT EXISTS moved")
      rails_sql("INSERT INTO moved")
    end
    same %w[2 0], rails_sql("SELECT count(*) FILTER").values[0]
    same [["ada", ["tea"]], ["raw", ["tea"]]], [ada, raw].map { |id|
      Browser.new(app(private_ids: true) { |session, _env| [session["user_id"], session["cart"]] }, id).send("GET", "/")
    }
    owner("DROP TABLE moved, sessions")
  },
}.merge(defined?(RAILS_TESTS) ? RAILS_TESTS : {}).freeze

server = connect(dbname: ENV.fetch("PGDATABASE", "postgres"))
drop = ["DROP DATABASE IF EXISTS #{NAME} WITH (FORCE)", "DROP ROLE IF EXISTS #{NAME}"]
[*drop, "CREATE DATABASE #{NAME}", "CREATE ROLE #{NAME} LOGIN"].each { |sql| server.exec(sql) }
block("sql").gsub(/\bshop\b/, NAME).split(";").each { |sql| owner(sql) unless sql.strip.empty? }

failed = 0
TESTS.each.with_index(1) do |(name, test), n|
  test.call
  puts "ok #{n} - ruby: #{name}"
rescue StandardError => error
  failed += 1
  puts "not ok #{n} - ruby: #{name}", error.full_message(highlight: false).gsub(/^/, "# ")
end
puts "1..#{TESTS.size}"
drop.each { |sql| server.exec(sql) }
exit(failed.zero?)
