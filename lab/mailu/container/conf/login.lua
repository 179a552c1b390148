-- Asks admin whether a login is right, and where its mailbox is. Of the stand-in; not Mailu's.
local http = dovecot.http.client({timeout = 30000, max_attempts = 1})

local function escaped(text)
  return (text:gsub("[^%w%-%._~@]", function(c) return string.format("%%%02X", c:byte()) end))
end

function auth_password_verify(request, password)
  local ask = http:request({url = "http://@{admin}:8080/internal/auth/email", method = "GET"})
  ask:add_header("Auth-Method", "plain")
  ask:add_header("Auth-Protocol", request.service)
  ask:add_header("Auth-Port", tostring(request.local_port))
  ask:add_header("Auth-User", escaped(request.user))
  ask:add_header("Auth-Pass", escaped(password))
  ask:add_header("Auth-SSL", "on")
  ask:add_header("Client-Ip", tostring(request.remote_ip))
  local answer = ask:submit()
  if answer:status() ~= 200 then
    return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "admin answers " .. answer:status()
  end
  local status = answer:header("Auth-Status")
  if status ~= "OK" then
    return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, {reason = status}
  end
  return dovecot.auth.PASSDB_RESULT_OK, {
    proxy = "y",
    host = answer:header("Auth-Server"),
    port = answer:header("Auth-Port"),
    nopassword = "y",
  }
end

function auth_passdb_lookup(request)
  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "no look-up without a password"
end
