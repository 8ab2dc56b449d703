# frozen_string_literal: true

# Makes a database, runs the tests against the application of README.md, and prints TAP.

require "pg"
require "stringio"
require_relative "../lib/session_rack"

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

# A pool of one connection, in place of the gem.
class ConnectionPool
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

  def send(method, path, params = {}, headers = {})
    @errors = StringIO.new
    options = { method: method, "HTTP_USER_AGENT" => "Firefox/145", "REMOTE_ADDR" => "198.51.100.7",
                "rack.errors" => @errors, params: params }
    options["HTTP_COOKIE"] = "rack.session=#{@id}" if @id
    env = Rack::MockRequest.env_for(path, options.merge(headers))
    _status, answer, body = @app.call(env)
    @line = Array(answer["Set-Cookie"] || answer["set-cookie"]).join
    @id = Rack::Utils.unescape(@line[/rack.session=([^;]*)/, 1]) unless @line.empty?
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

# The application of the README, with HTTPS left out.
def readme_app
  code = block("config").sub('require "connection_pool"', "")
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
    row = owner("SELECT user_id, host(ip) AS ip, user_agent FROM session_validate($1)", ada.id).first
    same({ "user_id" => "ada", "ip" => "198.51.100.7", "user_agent" => "Firefox/145" }, row)
    key = ada.id
    ada.send("POST", "/logout")
    same "revoked", value("SELECT session_status($1)", key)
    owner("SELECT session_revoke_user('ada')")
    same [], other.send("GET", "/devices")
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
}.freeze

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
