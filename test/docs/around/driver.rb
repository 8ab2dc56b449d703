# Requests with and without a session, as Rack's environment.
stranger = { "REMOTE_ADDR" => "198.51.100.7" }
ada = stranger.merge("HTTP_COOKIE" => ENV["COOKIE"], "HTTP_USER_AGENT" => "curl/8")
BLOCK
