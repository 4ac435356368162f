local crypto = require "host.crypto"
local json = require "host.json"
local reveal = require "reveal"
local secret = require "host.secret"

local function bytes(hex)
  return (hex:gsub("%s", ""):gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

--- A file of its own with this content, removed at the end of its block.
local function file(content)
  local path = os.tmpname()
  local handle <close> = assert(io.open(path, "wb"))
  handle:write(content)
  return setmetatable({ path = path }, { __close = function() os.remove(path) end })
end

--- DER: a value with its tag and length.
local function der(tag, content)
  local size = #content
  local length = size < 128 and string.char(size) or "\x82" .. (">I2"):pack(size)
  return string.char(tag) .. length .. content
end

local function integer(text)
  return der(2, text:byte() > 127 and "\0" .. text or text)
end

--- The public key as OpenSSL reads it (SubjectPublicKeyInfo, PEM).
local function public_pem(key)
  local n, e = key:public()
  local numbers = der(0x30, integer(crypto.unbase64(n)) .. integer(crypto.unbase64(e)))
  local info = der(0x30, der(0x30, bytes "06092a864886f70d0101010500") .. der(3, "\0" .. numbers))
  local lines = crypto.base64(info):gsub(("."):rep(64), "%0\n")
  return "-----BEGIN PUBLIC KEY-----\n" .. lines .. "\n-----END PUBLIC KEY-----\n"
end

describe("text forms of bytes", function()
  it("are those of RFC 4648", function()
    local cases = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=",
      foobar = "Zm9vYmFy", ["\xfb\xff\xfe"] = "+//+" }
    for text, encoded in pairs(cases) do
      local url = encoded:gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" })
      assert.equal(encoded, crypto.base64(text))
      assert.equal(url, crypto.base64url(text))
      assert.equal(text, crypto.unbase64(encoded))
      assert.equal(text, crypto.unbase64(url))
    end
    assert.equal("00ff10", crypto.hex("\0\xff\x10"))
  end)

  it("read back whatever they were made of", function()
    for size = 0, 100 do
      local text = size > 0 and crypto.random(size) or ""
      assert.equal(text, crypto.unbase64(crypto.base64(text)))
      assert.equal(text, crypto.unbase64(crypto.base64url(text)))
      assert.equal(text, bytes(crypto.hex(text)))
    end
  end)

  it("are refused when they are none", function()
    local none = { "a", "abcde", "a=", "YQ=", "YWI==", "Y===", "====", "=", "YQ==YQ==", "YR==", "YWJ=", "YR", "Y Q=",
      "YQ\n", "é", "YW.j" }
    for _, text in ipairs(none) do
      assert.is_nil(crypto.unbase64(text), text)
    end
  end)
end)

describe("what is made of a secret", function()
  it("is a secret of its kind", function()
    for _, kind in ipairs { "credential", "value", "proof" } do
      local value <close> = secret.from(("light work."):rep(3), kind)
      local hmac, base64, base64url = crypto.hmac(value, "x"), crypto.base64(value), crypto.base64url(value)
      local derived = crypto.derive(value, "x")
      for _, made in ipairs { hmac, base64, base64url, derived, secret.copy(value) } do
        assert.equal(kind, secret.kind(made))
      end
      assert.equal("bGlnaHQgd29yay5saWdodCB3b3JrLmxpZ2h0IHdvcmsu", reveal(base64))
      assert.equal(crypto.base64url(("light work."):rep(3)), reveal(base64url))
    end
    assert.equal("proof", secret.kind(crypto.key():assertion("PS256", "{}", "{}")))
    assert.equal("value", secret.kind(crypto.self_signed("x", 0, 1e9 // 1)))
  end)

  it("is text only where nothing can be found by trying", function()
    assert.matches("^%x%x%x%x%x%x%x%x$", crypto.fingerprint(secret.from(("k"):rep(32)), "label"))
    assert.has_error(function() crypto.fingerprint(secret.from(("k"):rep(31)), "label") end,
      "bad argument #1 to 'fingerprint' (a key of 32 bytes or more is expected)")
  end)

  it("opens as a credential, or as what is asked for", function()
    local key = secret.random(32)
    local box = crypto.seal(key, "", secret.from("correct horse", "value"))
    assert.equal("credential", secret.kind(assert(crypto.open(key, "", box))))
    assert.equal("value", secret.kind(assert(crypto.open(key, "", box, "value"))))
  end)
end)

describe("digests", function()
  it("are those of FIPS 180 and RFC 4231", function()
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      crypto.hex(crypto.digest("sha256", "abc")))
    assert.equal("a9993e364706816aba3e25717850c26c9cd0d89d", crypto.hex(crypto.digest("sha1", "abc")))
    local key <close> = secret.from("Jefe")
    assert.equal("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      crypto.hex(reveal(crypto.hmac(key, "what do ya want for nothing?"))))
    assert.equal("credential", secret.kind(crypto.hmac(secret.from("Jefe", "credential"), "x")))
    assert.error_matches(function() crypto.digest("md5", "abc") end, "invalid option 'md5'", 1, true)
    assert.error_matches(function() crypto.hmac("Jefe", "") end, "host.secret expected, got string", 1, true)
  end)
end)

describe("random values", function()
  it("have their form and do not repeat", function()
    local seen = {}
    for _ = 1, 200 do
      local id = crypto.uuid()
      assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$", id)
      assert.equal(id:lower(), id)
      assert.is_nil(seen[id])
      seen[id] = true
    end
    assert.equal(65536, #crypto.random(65536))
    assert.are_not.equal(crypto.random(16), crypto.random(16))
    assert.error_matches(function() crypto.random(0) end, "1 to 65536 bytes", 1, true)
  end)
end)

describe("a sealed value", function()
  local key = secret.random(32)

  it("opens to the same secret, with the same key and binding", function()
    for _, text in ipairs { "correct horse", "", ("x"):rep(5000), "\0\1\255" } do
      local value <close> = secret.from(text)
      local sealed = crypto.seal(key, "row 1", value)
      assert.equal(#text + 28, #sealed)
      local opened <close> = assert(crypto.open(key, "row 1", sealed))
      assert.is_true(secret.equals(opened, value))
    end
  end)

  it("is another one each time", function()
    local value <close> = secret.from("correct horse")
    assert.are_not.equal(crypto.seal(key, "", value), crypto.seal(key, "", value))
  end)

  it("does not open otherwise, and says so", function()
    local why = "cannot open the sealed value: it was sealed with another key or for another use, or it was altered"
    local value <close> = secret.from("correct horse")
    local other <close> = secret.random(32)
    local sealed = crypto.seal(key, "row 1", value)
    local function refused(...)
      local opened, message = crypto.open(...)
      assert.is_nil(opened)
      assert.equal(why, message)
    end
    refused(key, "row 2", sealed)
    refused(other, "row 1", sealed)
    for i = 1, #sealed do
      refused(key, "row 1", sealed:sub(1, i - 1) .. string.char(sealed:byte(i) ~ 1) .. sealed:sub(i + 1))
    end
    refused(key, "row 1", sealed:sub(1, -2))
    refused(key, "row 1", sealed .. "x")
    local opened, message = crypto.open(key, "row 1", sealed:sub(1, 27))
    assert.is_nil(opened)
    assert.equal("cannot open the sealed value: it is too short", message)
  end)

  it("needs a key of 32 bytes and a secret", function()
    local short <close> = secret.random(16)
    assert.error_matches(function() crypto.seal(short, "", short) end, "a key of 32 bytes is expected", 1, true)
    assert.error_matches(function() crypto.seal(key, "", "text") end, "host.secret expected, got string", 1, true)
  end)

  it("is AES-256-GCM as in its specification's test case 16", function()
    local vector <close> = secret.from(bytes "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")
    local plain <close> = secret.from(bytes [[d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
      1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39]])
    local sealed = bytes [[cafebabefacedbaddecaf888
      522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
      8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662
      76fc6ece0f4e1768cddf8853bb2d551b]]
    local opened <close> = assert(crypto.open(vector, bytes "feedfacedeadbeeffeedfacedeadbeefabaddad2", sealed))
    assert.is_true(secret.equals(opened, plain))
  end)
end)

describe("a signing key", function()
  local key = crypto.key()

  local function parts(token)
    local header, claims, signature = token:match("^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$")
    return header, claims, crypto.unbase64(signature)
  end

  it("makes compact tokens whose header names the algorithm", function()
    local token = key:sign("PS256", '{"typ":"JWT","kid":"k"}', '{"aud": "x"}')
    local header, claims, signature = parts(token)
    assert.equal('{"alg":"PS256","kid":"k","typ":"JWT"}', crypto.unbase64(header))
    assert.equal('{"aud": "x"}', crypto.unbase64(claims))
    assert.equal(256, #signature)
  end)

  it("signs what OpenSSL's own program verifies, and nothing else", function()
    local padding = {
      RS256 = "-sigopt rsa_padding_mode:pkcs1",
      PS256 = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256",
    }
    local pem <close> = file(public_pem(key))
    for algorithm, options in pairs(padding) do
      local header, claims, signature = parts(key:sign(algorithm, "{}", json.encode { sub = "é", n = 1 }))
      local signed <close> = file(signature)
      local function verifies(text)
        local input <close> = file(text)
        local command = "openssl dgst -sha256 %s -verify %s -signature %s %s >/dev/null 2>&1"
        return (os.execute(command:format(options, pem.path, signed.path, input.path)))
      end
      assert.is_true(verifies(header .. "." .. claims), algorithm)
      assert.is_nil(verifies(header .. "." .. claims .. "x"), algorithm)
    end
  end)

  it("has a public half of 2048 bits, and is another one each time", function()
    local other <close> = crypto.key()
    local n, e = key:public()
    assert.equal(256, #crypto.unbase64(n))
    assert.equal("AQAB", e)
    assert.are_not.equal(n, (other:public()))
  end)

  it("signs only JSON objects, and names the algorithm itself", function()
    local function refused(header, claims, why)
      assert.error_matches(function() key:sign("RS256", header, claims) end, why, 1, true)
    end
    refused("[]", "{}", "a JSON object is expected")
    refused("{", "{}", "JSON ends after 1 bytes, expected a member's name in quotes")
    refused("{}", "1", "a JSON object is expected")
    refused('{"alg":"none"}', "{}", "the header has an alg already")
    assert.error_matches(function() key:sign("none", "{}", "{}") end, "invalid option 'none'", 1, true)
  end)

  it("is of no use once closed", function()
    local closed = crypto.key()
    closed:close()
    closed:close()
    assert.error_matches(function() closed:sign("RS256", "{}", "{}") end, "key is closed", 1, true)
  end)

  describe("keys made of others", function()
    local function unhex(text) return (text:gsub("%x%x", function(two) return string.char(tonumber(two, 16)) end)) end

    it("come of a passphrase by scrypt", function()
      -- Python: hashlib.scrypt(b"pleaseletmein", salt=b"SodiumChloride16", n=2**14, r=8, p=1, dklen=32)
      local made <close> = crypto.scrypt(secret.from "pleaseletmein", "SodiumChloride16", 14)
      assert.is_true(secret.equals(made, secret.from(unhex(
        "cb07772ae1b937be7effe9ff0a37ea778aa3cd041a9d1d6323548f7eb14a5cd6"))))
    end)

    it("take no work that could stop us", function()
      assert.same({ nil, "a work factor of 2^21 is refused: it may be 2^20 at most" },
        { crypto.scrypt(secret.from "passphrase", ("s"):rep(16), 21) })
      assert.has_error(function() crypto.scrypt(secret.from "passphrase", "short", 14) end,
        "bad argument #2 to 'scrypt' (at least 16 bytes)")
      assert.has_error(function() crypto.scrypt(secret.from "passphrase", ("s"):rep(16), 9) end,
        "bad argument #3 to 'scrypt' (a work factor of 2^10 or more)")
    end)

    it("come of a key by its label", function()
      local master = secret.from(("k"):rep(32))
      local one, other = crypto.derive(master, "one"), crypto.derive(master, "other")
      assert.equal(32, #one)
      assert.is_true(secret.equals(one, crypto.derive(master, "one")))
      assert.is_false(secret.equals(one, other))
      assert.is_true(secret.equals(one, crypto.hmac(master, "one")))
      assert.has_error(function() crypto.derive(secret.from "short", "one") end,
        "bad argument #1 to 'derive' (a key of 32 bytes or more is expected)")
    end)
  end)
end)
