-- Mail of our users, and of the other containers.
local rspamd_ip = require "rspamd_ip"
local address, bits = string.match("@{subnet}", "^(.+)/(%d+)$")
local subnet = rspamd_ip.from_string(address):apply_mask(tonumber(bits))

rspamd_config:register_symbol({
  name = "SENT_BY_US",
  type = "normal",
  score = 0.0,
  callback = function(task)
    local from = task:get_from_ip()
    local inside = from and from:is_valid() and from:get_version() == 4
      and from:apply_mask(tonumber(bits)) == subnet
    return (task:get_user() ~= nil) or (inside == true)
  end,
})
