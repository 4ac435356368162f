-- takes 5 s: each of 46 cases starts a server
-- Which servers the gate believes to be who they say they are: a matrix of bad
-- ones, made with OpenSSL's own server. One that did not start, or does not do
-- what its name says to a client that takes anything, proves nothing and fails.

local bad_tls = require "bad_tls"

-- Case -> what a client that takes anything negotiates with it, and what we say. What we refuse
-- is the certificate, where it is not the handshake that finds no safe common ground.
local FORM = " %(strict_certificates = false beside its address would let this pass%)$"
local UNSAFE = "it does not offer TLS 1%.2 or later with a safe cipher %(.*alert handshake failure%)$"
local BAD = {
  expired = { "TLSv1.3", "certificate has expired$" },
  not_yet = { "TLSv1.3", "certificate is not yet valid$" },
  wrong_host = { "TLSv1.3", "IP address mismatch$" },
  wrong_address = { "TLSv1.3", "IP address mismatch$" },
  self_signed = { "TLSv1.3", "self%-signed certificate$" },
  unknown_root = { "TLSv1.3", "unable to get local issuer certificate$" },
  for_clients = { "TLSv1.3", "unsuitable certificate purpose$" },
  subject_only = { "TLSv1.3", "hostname mismatch$" },
  nul_name = { "TLSv1.3", "hostname mismatch$" },
  star = { "TLSv1.3", "hostname mismatch$" },
  part_star = { "TLSv1.3", "hostname mismatch$" },
  leaf_as_ca = { "TLSv1.3", "invalid CA certificate$" },
  may_not_sign = { "TLSv1.3", "invalid CA certificate$" },
  missing_link = { "TLSv1.3", "unable to get local issuer certificate$" },
  old_link = { "TLSv1.3", "certificate has expired$" },
  too_deep = { "TLSv1.3", "path length constraint exceeded$" },
  not_its_names = { "TLSv1.3", "permitted subtree violation$" },
  odd_extension = { "TLSv1.3", "unhandled critical extension$" },
  sha1 = { "TLSv1.3", "signature digest algorithm too weak$" },
  sha1_link = { "TLSv1.3", "signature digest algorithm too weak$" },
  rsa1024 = { "TLSv1.3", "EE certificate key too weak$" },
  explicit_curve = { "TLSv1.2 ECDHE-ECDSA", "explicit ECC parameters$" },
  small_curve = { "TLSv1.2 ECDHE-ECDSA", UNSAFE },
  tls10 = { "TLSv1 ", "it does not offer TLS 1%.2 or later with a safe cipher %(.*alert protocol version%)$" },
  tls11 = { "TLSv1.1 ", "it does not offer TLS 1%.2 or later with a safe cipher %(.*alert protocol version%)$" },
  null_cipher = { "TLSv1.2 ECDHE-ECDSA-NULL-SHA", UNSAFE },
  anonymous_dh = { "TLSv1.2 ADH-", UNSAFE },
  anonymous_ecdh = { "TLSv1.2 AECDH-", UNSAFE },
  shared_key = { "TLSv1.2 PSK-", UNSAFE },
  dh1024 = { "TLSv1.2 DHE-RSA-AES128-GCM-SHA256", UNSAFE },
  dh = { "TLSv1.2 DHE-RSA-AES128-GCM-SHA256", UNSAFE },
  cbc_sha1 = { "TLSv1.2 ECDHE-ECDSA-AES128-SHA", UNSAFE },
  cbc_sha256 = { "TLSv1.2 ECDHE-ECDSA-AES128-SHA256", UNSAFE },
  no_forward_secrecy = { "TLSv1.2 AES128-GCM-SHA256", UNSAFE },
  odd_cipher = { "TLSv1.2 ECDHE-ARIA128-GCM-SHA256", UNSAFE },
  no_key_id = { "TLSv1.3", "Missing Authority Key Identifier" .. FORM },
}
local GOOD = { "good", "good_name", "good_rsa", "good_tls12", "good_tls13", "good_chain" }

local function sorted(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

describe("a server's TLS", function()
  local servers

  setup(function() servers = bad_tls.start() end)
  teardown(function() servers:close() end)

  for _, name in ipairs(GOOD) do
    it("is believed when it is " .. name, function()
      assert.is_true(servers.cases[name].valid)
      assert.equal(200, assert(servers:ask(name)):status())
    end)
  end

  for _, name in ipairs(sorted(BAD)) do
    it("is refused when it is " .. name, function()
      local case, seen, reason = servers.cases[name], table.unpack(BAD[name])
      assert(case.valid, "the server of this case does not serve")
      assert.equal(seen, case.seen:sub(1, #seen))
      local answer, message, kind, maybe_sent = servers:ask(name)
      assert.is_nil(answer)
      assert.equal(reason:find("^it does not offer") and "tls" or "certificate", kind)
      assert.is_false(maybe_sent)
      assert.matches(("^no secure connection to %s port %d: "):format(case.host:gsub("%.", "%%."), case.port), message)
      assert.matches(reason, message)
    end)
  end

  it("has to keep to RFC 5280's form, unless the profile says that this one need not", function()
    assert.is_true(servers.cases.sloppy.valid)
    local _, message, kind = servers:ask("sloppy", { ca = servers.sloppy_ca })
    assert.equal("certificate", kind)
    assert.matches("Basic Constraints of CA cert not marked critical" .. FORM, message)
    assert.equal(200, assert(servers:ask("sloppy", { ca = servers.sloppy_ca, lenient = true })):status())
    assert.equal(200, assert(servers:ask("no_key_id", { lenient = true })):status())
  end)

  it("is checked in all else as ever where the form does not matter", function()
    for name in pairs(BAD) do
      if name ~= "no_key_id" then
        local _, message, kind = servers:ask(name, { lenient = true })
        assert.is_true(kind == "tls" or kind == "certificate", name)
        assert.is_nil(message:find("strict_certificates", 1, true), name)
      end
    end
    assert.equal("certificate", select(3, servers:ask("sloppy", { lenient = true }))) -- not by an authority of ours
  end)

  it("is not started anew amid a connection", function()
    local case = servers.cases.renegotiates
    assert.is_true(case.valid)
    local function hellos()
      local file <close> = assert(io.open(servers.folder .. "/hellos"))
      return tonumber(file:read("a"))
    end
    local before = hellos()
    local _, _, kind = servers:ask("renegotiates", { timeout = 1 })
    assert.is_true(kind == "cut" or kind == "timeout", kind)
    assert.equal(before + 1, hellos())
  end)

  it("that wants a certificate of ours gets none, and the refusal is told", function()
    assert.is_true(servers.cases.wants_certificate.valid)
    local _, message, kind = servers:ask("wants_certificate")
    assert.equal("cut", kind)
    assert.matches("certificate required", message)
  end)
end)
