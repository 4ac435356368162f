local cjson = require "cjson"
local json = require "host.json"
local secret = require "host.secret"

--- Text accepted, and the value it stands for (written by the encoder).
local accepted = {
  { "null", "null" }, { "true", "true" }, { " false ", "false" }, { "\t\n\r 1", "1" },
  { "0", "0" }, { "-0", "0" }, { "-0.0", "0" }, { "1.0", "1" }, { "1e3", "1000" }, { "1E+2", "100" },
  { "12.5e-1", "1.25" },
  { "0.1", "0.1" }, { "1e-400", "0" }, { "1.7976931348623157e308", "1.7976931348623157e+308" },
  { "123456789012345", "123456789012345" }, { "9007199254740993", "9007199254740993" },
  { "9223372036854775807", "9223372036854775807" }, { "-9223372036854775808", "-9223372036854775808" },
  { "0." .. ("0"):rep(300) .. "1", "1e-301" },
  { "[]", "[]" }, { "[ \n ]", "[]" }, { "{}", "{}" }, { "{ }", "{}" }, { "[[],{},[{}]]", "[[],{},[{}]]" },
  { '{"":0}', '{"":0}' }, { '{"b":1,"a":2}', '{"a":2,"b":1}' }, { '{"1":"a"}', '{"1":"a"}' },
  { '[null,null]', "[null,null]" }, { '{"a":null}', '{"a":null}' },
  { '""', '""' }, { '"\\u0000"', '"\\u0000"' }, { '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\"\\\\/\\b\\f\\n\\r\\t"' },
  { '"\\u00e9\\u20AC\\ud834\\udd1e"', '"é€𝄞"' }, { '"é€𝄞\u{10ffff}\u{ffff}"', '"é€𝄞\u{10ffff}\u{ffff}"' },
  { '"\u{7f}a00000000000000a"', '"\\u007fa00000000000000a"' },
  { ("["):rep(64) .. ("]"):rep(64), ("["):rep(64) .. ("]"):rep(64) },
  { ('{"a":'):rep(63) .. "{}" .. ("}"):rep(63), ('{"a":'):rep(63) .. "{}" .. ("}"):rep(63) },
}

--- Text refused, and what the message says.
local refused = {
  { "", "ends after 0 bytes, expected a value" }, { " ", "ends after 1 bytes, expected a value" },
  { "nul", "byte 1, expected a value" }, { "nulL", "byte 1, expected a value" }, { "True", "byte 1, expected a value" },
  { "truefalse", "byte 5, expected nothing after the value" }, { "1 2", "byte 3, expected nothing after the value" },
  { "{} x", "byte 4, expected nothing after the value" }, { "[] ]", "byte 4, expected nothing after the value" },
  { "null\0", "byte 5, expected nothing after the value" }, { "\0null", "byte 1, expected a value" },
  { "\u{feff}1", "byte 1, expected a value" }, { "NaN", "byte 1, expected a value" },
  { "Infinity", "byte 1, expected a value" },
  { "-Infinity", "byte 2, expected a digit" }, { "-", "ends after 1 bytes, expected a digit" },
  { "+1", "byte 1, expected a value" },
  { "01", "byte 2, expected nothing after the value" }, { "-01", "byte 3, expected nothing after the value" },
  { "0x10", "byte 2, expected nothing after the value" }, { "1.", "ends after 2 bytes, expected a digit" },
  { ".5", "byte 1, expected a value" }, { "1.e1", "byte 3, expected a digit" },
  { "1e", "ends after 2 bytes, expected a digit" },
  { "1e+", "ends after 3 bytes, expected a digit" }, { "1e400", "byte 1, expected a number below 1.8e308" },
  { "[-1e9999]", "byte 2, expected a number below 1.8e308" },
  { "1.8e308", "byte 1, expected a number below 1.8e308" },
  { ("9"):rep(310) .. ".0", "byte 1, expected a number below 1.8e308" },
  { "0." .. ("1"):rep(400), "byte 1, expected a number of at most 400 characters" },
  { "9223372036854775808", "byte 1, expected an integer of at most 64 bits" },
  { "[1,-9223372036854775809]", "byte 4, expected an integer of at most 64 bits" },
  { "99999999999999999999999", "byte 1, expected an integer of at most 64 bits" },
  { "[", "ends after 1 bytes, expected a value" }, { "[1", "ends after 2 bytes, expected ',' or ']'" },
  { "[1,", "ends after 3 bytes, expected a value" }, { "[1,]", "byte 4, expected a value" },
  { "[,1]", "byte 2, expected a value" },
  { "[1 2]", "byte 4, expected ',' or ']'" }, { "[1}", "byte 3, expected ',' or ']'" },
  { "]", "byte 1, expected a value" },
  { "{", "ends after 1 bytes, expected a member's name in quotes" },
  { "{a:1}", "byte 2, expected a member's name in quotes" },
  { "{1:1}", "byte 2, expected a member's name in quotes" }, { '{"a"}', "byte 5, expected ':' after a member's name" },
  { '{"a":}', "byte 6, expected a value" }, { '{"a":1', "ends after 6 bytes, expected ',' or '}'" },
  { '{"a":1]', "byte 7, expected ',' or '}'" }, { '{"a":1,}', "byte 8, expected a member's name in quotes" },
  { '{"a":1,,"b":2}', "byte 8, expected a member's name in quotes" },
  { "{'a':1}", "byte 2, expected a member's name in quotes" },
  { "// x\n1", "byte 1, expected a value" }, { "[1/**/]", "byte 3, expected ',' or ']'" },
  { '"a', "ends after 2 bytes, expected a closing quote" }, { '"\\', "byte 2, expected an escape that JSON knows" },
  { '"\\x"', "byte 2, expected an escape that JSON knows" },
  { "\"\\\0\"", "byte 2, expected an escape that JSON knows" },
  { '"\\u12"', "byte 2, expected four hex digits after \\u" },
  { '"\\u12g4"', "byte 2, expected four hex digits after \\u" },
  { '"\\ud800"', "byte 2, expected the second half of a surrogate pair" },
  { '"\\ud800\\u0041"', "byte 2, expected the second half of a surrogate pair" },
  { '"\\ud800\\ud800"', "byte 2, expected the second half of a surrogate pair" },
  { '"\\udc00"', "byte 2, expected the first half of a surrogate pair" },
  { '"a\nb"', "byte 3, expected control characters to be escaped" },
  { '"\0"', "byte 2, expected control characters to be escaped" },
  { '"\xff"', "byte 2, expected well-formed UTF-8" }, { '"\x80"', "byte 2, expected well-formed UTF-8" },
  { '"\xc0\xaf"', "byte 2, expected well-formed UTF-8" }, { '"\xe0\x80\x80"', "byte 2, expected well-formed UTF-8" },
  { '"\xed\xa0\x80"', "byte 2, expected well-formed UTF-8" },
  { '"\xf0\x80\x80\x80"', "byte 2, expected well-formed UTF-8" },
  { '"\xf4\x90\x80\x80"', "byte 2, expected well-formed UTF-8" },
  { '"\xf5\x80\x80\x80"', "byte 2, expected well-formed UTF-8" },
  { '"12345678\xe2\x82"', "byte 10, expected well-formed UTF-8" },
  { '"\xe2\x82', "byte 2, expected well-formed UTF-8" },
  { '{"\xff":1}', "byte 3, expected well-formed UTF-8" },
  { '{"a":1,"a":2}', "byte 8, expected each member of an object only once" },
  { '[{"a":1},{"b":[{"x":1,"y":{},"\\u0078":1}]}]', "byte 30, expected each member of an object only once" },
  { "[" .. ("1,"):rep(400000) .. "1]", "byte 800000, expected at most 400000 values" },
  { '{"password":"' .. ("x"):rep(131072) .. '"}', "byte 13, expected a secret of at most 128 KiB" },
  { ("["):rep(65) .. ("]"):rep(65), "byte 65, expected at most 64 levels of nesting" },
  { ('{"a":'):rep(100000), "byte 321, expected at most 64 levels of nesting" },
}

describe("decoding", function()
  it("takes what is JSON, and keeps it exact", function()
    for _, case in ipairs(accepted) do
      local value, message = json.decode(case[1])
      assert.is_nil(message)
      assert.equal(case[2], json.encode(value), case[1])
    end
  end)

  it("refuses all else, says where and what was expected, and quotes nothing", function()
    for _, case in ipairs(refused) do
      local value, message = json.decode(case[1])
      assert.is_nil(value, case[1])
      local where = case[2]:find("^ends") and "JSON " or "JSON is wrong at "
      assert.equal(where .. case[2], message, case[1])
    end
  end)

  it("gives whole numbers as integers and others as floats", function()
    local value = json.decode("[1, 1.0, 1.5, -3e2, 1e15, 9007199254740992, 9007199254740993, 1e300]")
    local types = {}
    for i, number in ipairs(value) do types[i] = math.type(number) end
    assert.same({ "integer", "integer", "float", "integer", "integer", "integer", "integer", "float" }, types)
    assert.equal(9007199254740993, value[7])
  end)

  it("keeps null apart from absent, and arrays from objects", function()
    local value = json.decode('{"n":null,"list":[],"object":{}}')
    assert.equal(json.null, value.n)
    assert.equal(cjson.null, json.null)
    assert.is_nil(value.m)
    assert.is_true(json.is_array(value.list))
    assert.is_false(json.is_array(value.object))
    assert.is_false(json.is_array("x"))
    value.list[1] = 1
    assert.equal('{"list":[1],"n":null,"object":{}}', json.encode(value))
  end)

  it("gives each empty array a table of its own", function()
    local value = json.decode("[[],[]]")
    value[1][1] = "x"
    assert.equal('[["x"],[]]', json.encode(value))
  end)

  it("refuses what is too large", function()
    local value, message = json.decode('"' .. ("x"):rep(4 << 20) .. '"')
    assert.is_nil(value)
    assert.equal("JSON has 4194306 bytes, more than the limit of 4194304", message)
  end)

  it("finds a repeated name among many", function()
    local members = {}
    for i = 1, 2000 do members[i] = ('"m%d":%d'):format(i, i) end
    members[2001] = '"m1000":0'
    local text = "{" .. table.concat(members, ",") .. "}"
    local _, message = json.decode(text)
    local at = text:find('"m1000":0', 1, true)
    assert.equal(("JSON is wrong at byte %d, expected each member of an object only once"):format(at), message)
  end)
end)

describe("names in JSON", function()
  -- Is the text taken, or refused for a repeated name?
  local function repeats(text)
    local value, message = json.decode(text)
    if value ~= nil then return false end
    assert.matches("expected each member of an object only once$", message)
    return true
  end

  it("are the same however they are written", function()
    assert.is_true(repeats '{"aé":1,"\\u0061\\u00e9":2}')
    assert.is_true(repeats '{"\\u0061":1,"\\u0061":2}')
    assert.is_true(repeats '{"a":{"a":1},"b":1,"a":2}')
    assert.is_false(repeats '{"a":1,"\\u0062":2,"a\\u0000":3,"a\\u0000b":4}')
    assert.is_false(repeats '[{"a":1},{"a":{"a":[{"a":2}]}}]')
    assert.is_false(repeats '{"zrljbfg":1,"zykyqlx":2}') -- of one hash in json_scan.c
  end)

  it("may be many, in one object and in those around it", function()
    local function object(count, last)
      local members = {}
      for i = 1, count do members[i] = ('"member number %d":%d'):format(i, i) end
      members[#members + 1] = last
      return "{" .. table.concat(members, ",") .. "}"
    end
    for _, count in ipairs { 1, 2, 254, 255, 256, 257, 5000 } do
      assert.is_false(repeats(object(count)))
      assert.is_true(repeats(object(count, '"member number 1":0')))
      assert.is_true(repeats(object(count, ('"member number %d":0'):format(count))))
      assert.is_false(repeats(object(count, '"inside":' .. object(200))))
      assert.is_true(repeats(object(count, '"inside":' .. object(200, '"member number 7":0'))))
      assert.is_true(repeats(object(count, '"inside":' .. object(200) .. ',"member number 1":0')))
    end
  end)

  it("lead to what they name, however they are escaped and nested", function()
    local value = json.decode('{"\\u0061\\u0000\\"":{"é\\/":[[],[1,{"":[-2,3.0,"x"]}]]},"b":[]}')
    assert.equal('{"a\\u0000\\"":{"é/":[[],[1,{"":[-2,3,"x"]}]]},"b":[]}', json.encode(value))
    local inner = value['a\0"']["é/"]
    assert.is_true(json.is_array(inner[1]) and json.is_array(value.b))
    assert.same({ "integer", "integer" }, { math.type(inner[2][1]), math.type(inner[2][2][""][2]) })
  end)
end)

describe("secrets in JSON", function()
  local function holds(value, text)
    local expected <close> = secret.from(text)
    return secret.is(value) and secret.equals(value, expected)
  end

  it("are lifted under each well-known name, at any depth", function()
    local names = { "access_token", "refresh_token", "id_token", "client_secret", "client_assertion", "secretText",
      "password", "newPassword", "clientSecret", "appSecret", "tokenId", "device_code" }
    for _, name in ipairs(names) do
      local value = json.decode(('[{"a":{"%s":"correct horse","b":1}},{"%s":""}]'):format(name, name))
      assert.is_true(holds(value[1].a[name], "correct horse"), name)
      assert.is_true(holds(value[2][name], ""), name)
    end
  end)

  it("are lifted under given names, however these are escaped", function()
    local value = json.decode('{"p\\u0069n":"123456","\\u0070assword":"abcdef","pins":["x"]}', { "pin", "other" })
    assert.is_true(holds(value.pin, "123456"))
    assert.is_true(holds(value.password, "abcdef"))
    assert.equal("x", value.pins[1])
  end)

  it("need room for all of them: a text with too many is refused, as long as they are kept", function()
    local function text(count) return "[" .. ('{"password":"correct horse battery"},'):rep(count - 1) .. "1]" end
    local value, message = json.decode(text(60000))
    assert.same({ nil, "JSON has 59999 texts that are secrets, more than there is room for" }, { value, message })
    local kept = { json.decode(text(5001)) }
    repeat
      value, message = json.decode(text(5001))
      table.insert(kept, value)
    until not value
    assert.same({ "JSON has 5000 texts that are secrets, more than there is room for", true }, { message, #kept < 9 })
    for i = #kept, 1, -1 do kept[i] = nil end
    value = assert(json.decode(text(5001)))
    assert.is_true(holds(value[5000].password, "correct horse battery"))
  end)

  it("have their escapes undone", function()
    local value = json.decode('{"password":"a\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\ud834\\udd1ez"}')
    assert.is_true(holds(value.password, 'a"\\/\b\f\n\r\t\0é𝄞z'))
  end)

  it("are strings only, and only that member's", function()
    local value = json.decode('{"password":null,"secretText":5,"client_secret":["a"],"tokenId":{"x":"y"},'
      .. '"displayName":"password"}')
    assert.equal(json.null, value.password)
    assert.equal(5, value.secretText)
    assert.equal("a", value.client_secret[1])
    assert.equal("y", value.tokenId.x)
    assert.equal("password", value.displayName)
  end)

  it("are redacted from the moment they are there", function()
    local value = json.decode('{"access_token":"eyJ0eXAi.payload.signature"}')
    assert.is_truthy(value)
    assert.equal("Bearer [secret]", secret.redact("Bearer eyJ0eXAi.payload.signature"))
  end)

  it("are masked when encoded", function()
    local value = json.decode('{"password":"correct horse","n":1}')
    assert.equal('{"n":1,"password":"[secret]"}', json.encode(value))
  end)

  it("are put in their own places only, whatever stands beside them", function()
    local value = json.decode('{"a":"","\\u0070assword":"correct horse",'
      .. '"b":[{"password":"x"},"",{"password":""}],"c":""}')
    assert.is_true(holds(value.password, "correct horse"))
    assert.is_true(holds(value.b[1].password, "x"))
    assert.is_true(holds(value.b[3].password, ""))
    assert.same({ "", "", "" }, { value.a, value.b[2], value.c })
  end)

  it("must be named by strings", function()
    assert.has_error(function() json.decode("1", { 1 }) end)
    assert.has_error(function() json.decode("1", "x") end)
  end)
end)

describe("encoding", function()
  it("writes what steers a terminal as escapes, which keep it as data", function()
    local name = "a\u{202e}b\u{9b}c\127d\u{200f}e\u{61c}f\0g\rh\u{2069}"
    assert.equal([["a\u202eb\u009bc\u007fd\u200fe\u061cf\u0000g\rh\u2069"]], json.encode(name))
    assert.equal(name, json.decode(json.encode(name)))
    assert.equal('"é漢🌙"', json.encode "é漢🌙")
  end)

  it("sorts names by bytes, so that the same value gives the same text", function()
    local value = {}
    for _, name in ipairs { "b", "a", "aa", "B", "é", "", "a\0b" } do value[name] = true end
    assert.equal('{"":true,"B":true,"a":true,"a\\u0000b":true,"aa":true,"b":true,"é":true}', json.encode(value))
  end)

  it("writes the shortest text that reads back as the number", function()
    local function shortest(number)
      for digits = 15, 17 do
        local text = ("%%.%dg"):format(digits):format(number)
        if tonumber(text) == number then return text end
      end
    end
    local scales = { 1, 10, 1000, 1e6, 1e7, 1e9, 3 }
    for i = 1, 7000 do
      local size = 10.0 ^ math.random(-6, 12)
      local number = math.floor(math.random() * size * 1e6) / scales[i % #scales + 1]
      for _, one in ipairs { number + 0.0, -number, 4e9 - number, 1795436304 + number } do
        if one ~= 0 then assert.equal(shortest(one), json.encode(one)) end
      end
    end
  end)

  it("writes numbers so that they read back the same", function()
    local numbers = { 0.1, 1 / 3, 1e100, 5e-324, 2^53 + 2, 2^63, math.maxinteger, math.mininteger, 3.0, 1e14,
      9007199254740993 }
    for _, number in ipairs(numbers) do assert.equal(number, json.decode(json.encode(number))) end
    assert.equal("0.1", json.encode(0.1))
    assert.equal("3", json.encode(3.0))
    assert.equal("9007199254740993", json.encode(9007199254740993))
    assert.equal("100000000000000", json.encode(10^14))
  end)

  it("writes empty tables as objects unless they are marked", function()
    assert.equal("{}", json.encode({}))
    assert.equal("[]", json.encode(json.array()))
    assert.equal("[1,2]", json.encode({ 1, 2 }))
    local list = { "x" }
    assert.equal(list, json.array(list))
    assert.is_true(json.is_array(json.array(list)))
    local other = setmetatable({}, {})
    assert.error_matches(function() json.array(other) end, "a table without another metatable is expected")
  end)

  it("indents for reading", function()
    local value = json.decode('{"b":[1,{"c":[]}],"a":{},"password":"correct horse"}')
    assert.equal([[
{
  "a": {},
  "b": [
    1,
    {
      "c": []
    }
  ],
  "password": "[secret]"
}]], json.encode(value, true))
  end)

  it("refuses what JSON has no form for, and says where it is", function()
    local deep = {}
    deep.deep = deep
    local closed = secret.from("correct horse")
    closed:close()
    local no_list = " cannot be written as JSON: it is a list with a hole, or with a key that is not an index"
    local cases = {
      { { body = { users = { {}, { name = print } } } },
        "body.users[2].name cannot be written as JSON: it is a function" },
      { { 1, 2, 0 / 0 }, "[3] cannot be written as JSON: it is not a finite number" },
      { 1 / 0, "the value cannot be written as JSON: it is not a finite number" },
      { { a = coroutine.create(print) }, "a cannot be written as JSON: it is a thread" },
      { { a = io.stdout }, "a cannot be written as JSON: it is a userdata" },
      { { a = closed }, "a cannot be written as JSON: secret is closed" },
      { { a = { 1, 2, x = 1 } }, "a" .. no_list },
      { { a = { 1, nil, nil, 4 } }, "a" .. no_list },
      { { a = { [2] = 1 } }, "a cannot be written as JSON: it is an object, and one of its keys is not a string" },
      { { a = { [true] = 1 } }, "a cannot be written as JSON: it is an object, and one of its keys is not a string" },
      { { a = "\xff" }, "a cannot be written as JSON: it is not UTF-8" },
      { { a = json.array({ x = 1 }) }, "a" .. no_list },
    }
    for _, case in ipairs(cases) do
      local ok, message = pcall(json.encode, case[1])
      assert.is_false(ok)
      assert.equal(case[2], message)
    end
    local loop = "it is nested deeper than 64 levels, or contains itself"
    assert.error_matches(function() json.encode(deep) end, loop, 1, true)
    assert.error_matches(function() json.encode(nil) end, "it is a nil", 1, true)
    assert.error_matches(function() json.encode() end, "value expected", 1, true)
  end)

  it("reads tables as they are, without asking their metatables", function()
    local function asked() error("asked") end
    local value = setmetatable({ a = 1 }, { __index = asked, __pairs = asked, __len = asked })
    assert.equal('{"a":1}', json.encode(value))
  end)
end)

describe("any text", function()
  local seeds = {
    '{"@odata.context":"x","value":[{"id":"1","n":1.5,"list":[],"when":null},'
      .. '{"id":"\\u00e9\\ud834\\udd1e","big":9007199254740993}]}',
    '{"access_token":"eyJ0.a.b","expires_in":3599,"scope":"a b"}',
    '[1,-2.5e10,true,false,null,"x\\n",[[[]]],{"a":{"b":{}}}]',
  }
  local pieces = { "[", "]", "{", "}", '"', ",", ":", "\\", "\\u", "d800", "\\udc00", "0", "9", "-", "e",
    ".", "\0", "\xff",
    "\xc3\xa9", "null", "true", '"a":', '"password":"', "[]", "{}", " ", "\u{7f}", "9223372036854775808", "1e999" }

  local function mutated(text)
    for _ = 1, math.random(4) do
      local at, kind = math.random(0, #text), math.random(4)
      if kind == 1 then
        text = text:sub(1, at) .. pieces[math.random(#pieces)] .. text:sub(at + 1)
      elseif kind == 2 then
        text = text:sub(1, at) .. text:sub(at + 1 + math.random(6))
      elseif kind == 3 then
        text = text:sub(1, at) .. string.char(math.random(0, 255)) .. text:sub(at + 2)
      else
        local from = math.random(#text + 1)
        text = text:sub(1, at) .. text:sub(from, from + math.random(30)) .. text:sub(at + 1)
      end
    end
    return text
  end

  local function no_secrets(value)
    if type(value) ~= "table" then return not secret.is(value) end
    for _, member in pairs(value) do
      if not no_secrets(member) then return false end
    end
    return true
  end

  -- Is it what lua-cjson makes of the text, secrets and the types of numbers aside?
  local function as_cjson(value, plain)
    if secret.is(value) then return type(plain) == "string" end
    if type(value) == "number" then return value + 0.0 == plain end
    if type(value) ~= "table" then return value == plain end
    for name, member in pairs(value) do
      if not as_cjson(member, plain[name]) then return false end
    end
    for name in pairs(plain) do
      if value[name] == nil then return false end
    end
    return true
  end

  it("either decodes to what encodes and decodes to the same, or is refused with a place", function()
    math.randomseed(20261123)
    local ends, good, bad = os.clock() + 2, 0, 0
    while os.clock() < ends do
      local text = mutated(seeds[math.random(#seeds)])
      local value, message = json.decode(text)
      if value == nil then
        bad = bad + 1
        assert.matches("^JSON [ie][sn]d?s? ?[%w ]- %d+", message)
      else
        good = good + 1
        local encoded = json.encode(value)
        local again = assert(json.decode(encoded))
        assert.equal(encoded, json.encode(again), text)
        if no_secrets(value) then assert.same(value, again) end
        assert.is_true(as_cjson(value, cjson.decode(text)), text) -- which accepts more, never less
      end
    end
    assert.is_true(good > 100 and bad > 100)
  end)
end)
