# frozen_string_literal: true

require "action_dispatch"
require "action_dispatch/middleware/session/abstract_store"
require_relative "session_rack"

module SessionRack
  # The same store for Rails:
  #
  #   config.session_store SessionRack::RailsStore, database: POOL, user: "user_id"
  class RailsStore < Store
    include ActionDispatch::Session::Compatibility
    include ActionDispatch::Session::StaleSessionCheck
    include ActionDispatch::Session::SessionObject

    def generate_sid
      Rack::Session::SessionId.new(super)
    end

    private

    # The options of Rails' cookies, too.
    def rack_options
      super + %i[tld_length]
    end

    def prepare_session(req)
      super
      remember(req)
    end

    def set_cookie(request, _response, cookie)
      request.cookie_jar[key] = cookie
    end
  end
end
