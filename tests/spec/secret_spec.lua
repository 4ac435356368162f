local moonlatch = require "moonlatch"
local secret = require "host.secret"

local function hex(text, format)
  return (text:gsub(".", function(c) return (format or "%02x"):format(c:byte()) end))
end

local function percent(text)
  return (text:gsub("[^%w%-%._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function base64(text, url)
  local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" .. (url and "-_" or "+/")
  local out = {}
  for a, b, c in text:gmatch("(.)(.?)(.?)") do
    local bits = a:byte() << 16 | (b:byte() or 0) << 8 | (c:byte() or 0)
    for i = 3, 0, -1 do
      local at = (bits >> (6 * i) & 63) + 1
      out[#out + 1] = i < 2 - #b - #c and (url and "" or "=") or letters:sub(at, at)
    end
  end
  return table.concat(out)
end

describe("a secret", function()
  it("tells whether a name is part of it, in any case", function()
    local value <close> = secret.from "x9-BorisPetrov!"
    assert.is_true(secret.contains(value, "petrov"))
    assert.is_true(secret.contains(value, "X9-b"))
    assert.is_false(secret.contains(value, "petrova"))
    assert.is_false(secret.contains(value, "borisp!"))
    assert.has_error(function() secret.contains(value, "") end,
      "bad argument #2 to 'contains' (a text that is not empty is expected)")
  end)

  it("shows only [secret]", function()
    local value <close> = secret.from("correct horse")
    assert.equal("[secret]", tostring(value))
    assert.equal("<[secret]>", ("<%s>"):format(value))
    assert.is_false(getmetatable(value))
    assert.is_true(secret.is(value))
    assert.is_false(secret.is("correct horse"))
  end)

  it("refuses what would make it text, and says what to do", function()
    local value <close> = secret.from("correct horse")
    local joined = "a secret cannot be joined to a text: pass the secret itself"
    assert.error_matches(function() return "a" .. value end, joined, 1, true)
    assert.error_matches(function() return value .. "a" end, joined, 1, true)
    local order = "a secret has no order: use secret:equals(other) to compare"
    assert.error_matches(function() return value < value end, order, 1, true)
    assert.error_matches(function() return value <= "a" end, "a secret has no order", 1, true)
    assert.has_error(function() return table.concat({ value }) end)
    assert.has_error(function() return ("%q"):format(value) end)
    assert.has_error(function() return value.bytes.x end)
    assert.has_error(function() value.x = 1 end)
  end)

  it("is equal by identity with ==, by its bytes with equals", function()
    local a <close> = secret.from("same bytes")
    local other <close> = secret.from("same bytes")
    local shorter <close> = secret.from("same")
    assert.is_false(a == other)
    assert.is_true(a == a)
    assert.is_true(a:equals(other))
    assert.is_false(a:equals(shorter))
  end)

  it("tells size, classes and a hint of at most a quarter", function()
    local value <close> = secret.from("abCD12?fghijklmn")
    assert.equal(16, #value)
    assert.equal(4, secret.classes(value))
    assert.equal("abC", secret.hint(value, 3))
    assert.equal("a", secret.hint(value, 1))
    local short <close> = secret.from("abcd")
    assert.equal("a", secret.hint(short, 3))
    assert.equal(1, secret.classes(short))
    assert.error_matches(function() secret.hint(value, 4) end, "a hint has 1 to 3 characters", 1, true)
  end)

  it("is of no use once closed", function()
    local value = secret.from("correct horse")
    value:close()
    value:close()
    assert.is_true(secret.is(value))
    assert.error_matches(function() return #value end, "secret is closed", 1, true)
    assert.error_matches(function() value:equals(value) end, "secret is closed", 1, true)
    assert.equal("correct horse", secret.redact("correct horse"))
  end)

  it("may be empty or hold any byte", function()
    local empty <close> = secret.from("")
    local bytes <close> = secret.from("\0\1\255")
    assert.equal(0, #empty)
    assert.equal(3, #bytes)
    assert.equal("", secret.hint(empty, 1))
  end)

  it("knows where it lives", function()
    local value <close> = secret.random(32)
    assert.equal(32, #value)
    assert.is_true(secret.heap() == "locked" or secret.heap() == "unlocked")
  end)
end)

-- What a script could try, in a process of its own: comparisons are counted by run.
local function run(code)
  local place <close> = moonlatch.place()
  local outcome = place:run({ "-e", code })
  assert.equal("", outcome.err)
  return outcome.out
end

describe("a script that holds a secret", function()
  it("can only close it, measure it, compare it, and make a secret of it", function()
    local methods = run [[
      local value = require("secret").generate(20)
      for _, name in ipairs { "close", "equals", "hint", "contains", "classes", "copy", "size", "bytes" } do
        if pcall(function() assert(value[name]) end) then print(name) end
      end
      for name in pairs(require "secret") do print("secret." .. name) end]]
    local names = {}
    for name in methods:gmatch "[%w._]+" do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "close", "equals", "secret.base64", "secret.certificate", "secret.generate", "secret.is",
      "secret.pem", "secret.pkcs12", "secret.private_key", "secret.unbase64" }, names)
  end)

  it("may compare 16 times a run, so that guessing ends in an error", function()
    local told = run [[
      local secret, count = require "secret", 0
      local value = secret.generate(20)
      local ok, why
      repeat
        ok, why = pcall(function() return value:equals(secret.generate(20)) end)
        if ok then count = count + 1 end
      until not ok or count > 100
      print(count, why)]]
    assert.matches("^16\t", told)
    assert.truthy(told:find("secrets cannot be compared: this run has made 16 comparisons, which is the limit, so "
      .. "that nobody finds a secret by guessing; compare what is public instead, such as a key's id", 1, true), told)
  end)

  it("is not counted with the library's own comparisons", function()
    local one, other = secret.generate(20), secret.generate(20)
    for _ = 1, 50 do assert.is_false(secret.equals(one, other)) end
    assert.is_false(one:equals(other))
  end)
end)

describe("the kind of a secret", function()
  it("is that of what it is for", function()
    assert.equal("value", secret.kind(secret.generate(20)))
    assert.equal("credential", secret.kind(secret.random(32)))
    assert.equal("value", secret.kind(secret.from "a text of a test"))
    assert.equal("credential", secret.kind(secret.from("a text of a test", "credential")))
    assert.error_matches(function() secret.from("x", "public") end, "invalid option 'public'", 1, true)
  end)

  it("follows from the name that it was lifted by", function()
    local json = require "json"
    local read = json.decode [[{"access_token":"a1","secretText":"b1","password":"c1","client_secret":"d1"}]]
    assert.equal("credential", secret.kind(read.access_token))
    assert.equal("credential", secret.kind(read.client_secret))
    assert.equal("value", secret.kind(read.secretText))
    assert.equal("value", secret.kind(read.password))
    assert.equal("value", secret.kind(json.decode([[{"mine":"e1"}]], { "mine" }).mine))
  end)
end)

describe("a generated password", function()
  it("has the length, all four classes, and nothing excluded", function()
    for length = 8, 40 do
      local value <close> = secret.generate(length, "O0l1I")
      assert.equal(length, #value)
      assert.equal(4, secret.classes(value))
    end
    local long <close> = secret.generate(256)
    assert.equal(256, #long)
  end)

  it("puts each class anywhere, and uses all that is allowed", function()
    local excluded = "bcdefghijklmnopqrstuvwxyzBCDEFGHIJKLMNOPQRSTUVWXYZ123456789#%*+-.:=?@^_~" -- leaves a A 0 !
    local seen = {}
    for _ = 1, 200 do
      local value <close> = secret.generate(12, excluded)
      seen[secret.hint(value, 1)] = true
    end
    assert.same({ a = true, A = true, ["0"] = true, ["!"] = true }, seen)
  end)

  it("refuses what cannot be", function()
    assert.error_matches(function() secret.generate(7) end, "8 to 256 characters", 1, true)
    assert.error_matches(function() secret.generate(257) end, "8 to 256 characters", 1, true)
    assert.error_matches(function() secret.generate(20, "0123456789") end, "leaves no digit", 1, true)
    assert.error_matches(function() secret.random(0) end, "1 to 4096 bytes", 1, true)
  end)

  it("is another one each time", function()
    local a <close> = secret.generate(16)
    local b <close> = secret.generate(16)
    assert.is_false(a:equals(b))
  end)
end)

describe("redaction", function()
  local plain = 'p"Z/w~8 Q+ü\\>x'

  local function masked(text)
    return secret.redact("before " .. text .. " after")
  end

  it("masks every form", function()
    local value <close> = secret.from(plain)
    assert.is_truthy(value)
    local forms = {
      plain, percent(plain), (percent(plain):gsub("%%%w%w", string.lower)), (percent(plain):gsub("%%20", "+")),
      hex(plain), hex(plain, "%02X"),
      'p\\"Z/w~8 Q+ü\\\\>x', 'p\\u0022Z\\/w~8 Q\\u002b\\u00FC\\\\\\u003Ex',
      base64(plain), base64(plain, true), base64("user:" .. plain), base64("user1:" .. plain),
      base64("user12:" .. plain), percent(base64(plain)),
    }
    for i, form in ipairs(forms) do
      local result = masked(form):gsub("%w+%[", "[")
      assert.equal("before [secret] after", result, i .. ": " .. form)
    end
  end)

  it("leaves nothing of it in a longer base64 text but other text's characters", function()
    local value <close> = secret.from(plain)
    assert.is_truthy(value)
    for before = 0, 5 do
      for after = 0, 5 do
        local text = base64(("x"):rep(before) .. plain .. ("y"):rep(after))
        local kept_before, kept_after = before * 8 // 6, (after * 8 + 5) // 6
        local result = secret.redact(text)
        assert.equal(text:sub(1, kept_before) .. "[secret]", result:sub(1, kept_before + 8))
        assert.is_true(#result - kept_before - 8 <= kept_after + 2, result)
      end
    end
  end)

  it("masks a secret that is cut off after sixteen characters", function()
    local value <close> = secret.from("0123456789abcdefghijklmnopqrstuvwxyz")
    assert.is_truthy(value)
    assert.equal("token [secret]…", secret.redact("token 0123456789abcdefghij…"))
    assert.equal("token 0123456789abcde…", secret.redact("token 0123456789abcde…"))
  end)

  it("masks overlapping and neighbouring secrets as one", function()
    local a <close> = secret.from("abcdefgh")
    local b <close> = secret.from("efghijkl")
    local longer <close> = secret.from("abcdefghZZ")
    assert.is_truthy(a and b and longer)
    assert.equal("-[secret]-", secret.redact("-abcdefghijkl-"))
    assert.equal("-[secret]-", secret.redact("-abcdefghZZ-"))
    assert.equal("-[secret]-[secret]", secret.redact("-abcdefghefghijkl-abcdefgh"))
  end)

  it("leaves alone secrets too short to tell from other text", function()
    local value <close> = secret.from("again")
    assert.is_truthy(value)
    assert.equal("try again", secret.redact("try again"))
    local six <close> = secret.from("agains")
    assert.is_truthy(six)
    assert.equal("try [secret]t", secret.redact("try against"))
  end)

  it("keeps text without secrets, whatever is in it", function()
    local value <close> = secret.from(plain)
    assert.is_truthy(value)
    local bytes = {}
    for i = 0, 255 do bytes[i + 1] = string.char(i) end
    local odd = { "", "a", "%", "%4", "%zz", "\\", "\\u", "\\ud800", "\\ud800\\u", "100%", table.concat(bytes) }
    for _, text in ipairs(odd) do
      assert.equal(text, secret.redact(text))
    end
  end)

  it("masks at the very start and end, and again after others are closed", function()
    local values = {}
    for i = 1, 600 do values[i] = secret.from(("%05d is the secret"):format(i)) end
    for i = 1, 600, 2 do values[i]:close() end
    for i = 1, 600 do
      local text = ("%05d is the secret"):format(i)
      assert.equal(i % 2 == 0 and "[secret]" or text, secret.redact(text))
    end
    for i = 1, 600 do values[i]:close() end
    assert.equal("00002 is the secret", secret.redact("00002 is the secret"))
  end)

  it("finds any secret in any text in any form", function()
    math.randomseed(20261123)
    for _ = 1, 300 do
      local bytes = {}
      for i = 1, math.random(6, 40) do
        bytes[i] = string.char(math.random(4) == 1 and math.random(0, 255) or math.random(33, 126))
      end
      local text = table.concat(bytes)
      local value <close> = secret.from(text)
      assert.is_truthy(value)
      local before = ("x"):rep(math.random(0, 9))
      local json_form = text:gsub('[%c"\\\\]', function(c) return ("\\u%04x"):format(c:byte()) end)
      local forms = { text, percent(text), hex(text), json_form, base64(before .. text),
        base64(before .. text .. before, true) }
      for i, form in ipairs(forms) do
        local whole = before .. ": " .. form .. " " .. before
        local result = secret.redact(whole)
        assert.is_truthy(result:find("[secret]", 1, true), i .. " " .. hex(text))
        assert.is_nil(result:find(form, 1, true))
        if i <= 4 then assert.equal(before .. ": [secret] " .. before, result) end
      end
    end
  end)

  it("forgets collected secrets", function()
    for i = 1, 50 do secret.from("collected " .. i) end
    collectgarbage()
    assert.equal("collected 17", secret.redact("collected 17"))
  end)
end)

describe("the memory for secrets", function()
  it("is asked for before there is a secret, in a size it can have", function()
    local late = "cannot change the size of the heap for secrets: there is a secret already"
    assert.error_matches(function() secret.room(16) end, late, 1, true)
    for _, size in ipairs { 0, 3, 128, -1 } do
      assert.error_matches(function() secret.room(size) end, "1 to 64, a power of two", 1, true)
    end
  end)

  it("collects what nobody holds before it says that it is full", function()
    for _ = 1, 1000 do secret.random(4096) end
    collectgarbage()
  end)

  it("says when it is full, and works again", function()
    local held = {}
    local ok, message = pcall(function()
      while true do held[#held + 1] = secret.random(4096) end
    end)
    assert.is_false(ok)
    local full = "no memory for a secret of 4096 bytes: the heap for secrets (1 MiB) is full; close secrets that "
      .. "are not "
      .. "needed"
    assert.matches(full, message, 1, true)
    assert.is_true(#held > 100)
    for _, value in ipairs(held) do value:close() end
    local value <close> = secret.random(4096)
    assert.equal(4096, #value)
    assert.error_matches(function() secret.from(("x"):rep(2 << 20)) end, "no memory for a secret", 1, true)
  end)
end)

describe("a secret in base64", function()
  it("is a secret of the same kind, and comes back as it was", function()
    local value <close> = secret.from("a value with \0 and \255", "value")
    local encoded <close> = secret.base64(value)
    local expected <close> = secret.from "YSB2YWx1ZSB3aXRoIAAgYW5kIP8="
    assert.is_true(secret.equals(encoded, expected))
    assert.same({ "value", "[secret]" }, { secret.kind(encoded), tostring(encoded) })
    local again <close> = secret.unbase64(encoded)
    assert.is_true(secret.equals(again, value))
    assert.equal("a [secret] b", secret.redact "a YSB2YWx1ZSB3aXRoIAAgYW5kIP8= b")
  end)

  it("is nil where the text is not base64", function()
    for _, text in ipairs { "a", "a===", "****", "YWJ=" } do
      local value <close> = secret.from(text)
      assert.is_nil(secret.unbase64(value), text)
    end
  end)
end)
