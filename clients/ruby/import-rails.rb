# frozen_string_literal: true

# Copies the live sessions of Rails' ActiveRecord store, so that users stay logged in:
#
#   ruby import-rails.rb CONNECTION SECONDS [KEY...]
#
# CONNECTION is a connection string of PostgreSQL. A session is live for SECONDS after the
# last change of its row in the table "sessions", and after the copy for SECONDS after its
# last request. KEY is where its user is: user_id, or warden.user.user.key 0 0.
#
# - The table has the hash of each id, and this becomes the token: no id is needed. The
#   store finds it with the option private_ids.
# - The data is read with Marshal or as JSON, as Rails does. Marshal runs code: read no table
#   that others could write.
# - A key whose value is not JSON is left out, and a row that needs a class of the
#   application is left. Both are told.
# - When the users have logged in is not known: session_require(max_age => ...) asks them
#   to do it again.
# - It can run again. What has been copied before, or has ended since, is left.

require "json"
require "pg"
require_relative "lib/session_rack"
begin
  require "active_support"
  require "active_support/hash_with_indifferent_access"
rescue LoadError
  # Rows that need it are left.
end

unless ARGV.size >= 2 && ARGV[1].match?(/\A[1-9]\d*\z/)
  abort "usage: ruby import-rails.rb CONNECTION SECONDS [KEY...]"
end
connection, seconds, *path = ARGV
path.map! { |key| key.match?(/\A\d+\z/) ? key.to_i : key }

def data_of(text)
  return JSON.parse(text).fetch("value") if text.start_with?("{")

  Marshal.load(text.unpack1("m"))
end

db = PG.connect(connection)
db.exec("SET TimeZone = 'UTC'")
db.exec("CREATE TABLE IF NOT EXISTS moved (sid text PRIMARY KEY, session_id uuid NOT NULL)")
rows = db.exec_params(<<~SQL, [seconds])
  SELECT session_id, data FROM sessions
   WHERE updated_at::timestamptz > clock_timestamp() - make_interval(secs => $1::float8)
SQL
copied = 0
left_out = Hash.new(0)
rows.each do |row|
  id = row["session_id"]
  id = Rack::Session::SessionId.new(id).private_id unless id.match?(/\A\d+::/)
  data = data_of(row["data"])
  user = path.empty? ? nil : data.dig(*path)
  parts = data.to_h { |key, value| [key.to_s, SessionRack.json(value)] }
  parts.select { |_key, json| json.nil? }.each_key { |key| left_out[key] += 1 }
  parts.compact!
  json = "{#{parts.map { |key, text| "#{JSON.generate(key)}: #{text}" }.join(', ')}}"
  copied += db.exec_params(<<~SQL, [id, user&.to_s, json, seconds]).cmd_tuples
    INSERT INTO moved
    SELECT n.sid, (session_create($2, $3::jsonb, lifetime => make_interval(secs => $4::float8), sliding => true,
                                  max_sessions => 0, token => n.sid, authenticated_at => to_timestamp(0))).id
      FROM (SELECT $1::text AS sid) AS n
     WHERE n.sid NOT IN (SELECT sid FROM moved)
  SQL
rescue ArgumentError, NameError, TypeError, JSON::ParserError, KeyError => error
  warn "a row is left: #{error.message.lines.first}"
end
left_out.each { |key, count| warn "#{key} is left out of #{count} sessions: it is not JSON" }
puts "copied #{copied} sessions"
