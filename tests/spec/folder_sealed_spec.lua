--- folder.sealed: a secret that only the holder of a private key can read, with openssl or with age.

local certificates = require "certificates"
local crypto = require "host.crypto"
local fail = require "fail"
local sealed = require "folder.sealed"
local http = require "http.client"
local journals = require "journals"
local profile = require "profile.current"
local secret = require "host.secret"
local sys = require "host.sys"
local scheduler = require "task.scheduler"
local test_door = require "test_door"

local function shell(line)
  local pipe = assert(io.popen(line))
  local text = pipe:read("a")
  return pipe:close() and text
end

local folder

describe("a file sealed to a public key", function()
  setup(function()
    folder = assert(sys.temporary "sealed-")
    certificates.write(folder, "x", 2)
    for _, line in ipairs {
      "openssl rsa -in %s/x.key -pubout -out %s/public.pem",
      "openssl req -x509 -newkey rsa:1024 -nodes -keyout %s/short.key -subj /CN=x -days 2 -out %s/short.pem",
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s/ec.key -subj /CN=x "
        .. "-out %s/ec.pem",
    } do
      assert(shell(line:gsub("%%s", folder) .. " 2>&1"))
    end
  end)

  teardown(function() sys.remove_tree(folder) end)

  -- Write to the folder of this test, which the gate knows as "out".
  local function write(name, key, value)
    local place <close> = journals.folder()
    local kept <close> = journals.open(place) -- what is sealed is a secret: its file is on record first
    local door <close> = test_door.new("emulator", kept)
    door:folder("out", folder)
    door:mode("write")
    profile.use { name = "x" }
    local before, acting = http.use(door.gate, door:acting())
    local _ <close> = setmetatable({}, { __close = function()
      http.use(before, acting)
      profile.use(nil)
    end })
    return scheduler.run(http.poll, sealed.write, "out", name, value, key)
  end

  local LENGTHS = { 6, 17, 5000, 65536 } -- bytes; a private key has some 4,000

  -- What is written to a file of this name for this recipient opens with this command, and is not readable.
  local function check_opens(name, recipient, command)
    for _, length in ipairs(LENGTHS) do
      local text = ("v~some value or other~"):rep(length // 22 + 1):sub(1, length)
      local value <close> = secret.from(text)
      local path = ("%s/%s.sealed"):format(folder, name)
      write(name .. ".sealed", folder .. "/" .. recipient, value)
      assert.is_true(shell(command:format(folder, path)) == text, name)
      assert.equal(384, sys.stat(path).mode & 511) -- 0600
      assert.is_nil(assert(sys.read(path, 1 << 20)):find(text:sub(1, 6), 1, true))
    end
  end

  it("opens with openssl and the private key, and holds nothing readable", function()
    check_opens("cms", "x.crt", "openssl cms -decrypt -inform PEM -inkey '%s/x.key' -in '%s'")
  end)

  local function has_age() return os.execute "command -v age >/dev/null" ~= nil end

  it("opens with age and the identity of the recipient, and holds nothing readable", function()
    if not has_age() then return pending "needs the Debian package age" end
    shell(("cd '%s' && age-keygen -o identity 2>/dev/null; age-keygen -y identity >recipient"):format(folder))
    check_opens("age", "recipient", "age -d -i '%s/identity' '%s'")
    local lines = assert(sys.read(folder .. "/age.sealed", 1 << 20))
    assert.matches("^age%-encryption%.org/v1\n%-> X25519 [%w+/]+\n[%w+/]+\n%-%-%- [%w+/]+\n", lines)
  end)

  it("is told from a mistyped recipient, letter by letter", function()
    -- A recipient of the specification's test vectors (c2sp.org/CCTV/age).
    local good = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
    local value <close> = secret.from "some value or other"
    assert(crypto.seal_to("# mine\n" .. good .. "\n", value))
    for at = 5, #good do
      local other = good:sub(at, at) == "q" and "p" or "q"
      assert.equal("its recipient of age is mistyped",
        select(2, crypto.seal_to(good:sub(1, at - 1) .. other .. good:sub(at + 1), value)))
    end
    local zero = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z" -- nothing can be shared with it
    assert.equal("nothing can be encrypted to its recipient of age", select(2, crypto.seal_to(zero, value)))
    local long <close> = secret.from(("x"):rep(65537))
    assert.equal("the value is longer than 64 KiB", select(2, crypto.seal_to(good, long)))
  end)

  it("is refused without a key that will do", function()
    local value <close> = secret.from "some value or other"
    local cases = {
      ["none.pem"] = "cannot open '" .. folder .. "/none.pem': No such file or directory",
    }
    for _, name in ipairs { "short.pem", "x.key", "public.pem", "ec.pem" } do
      cases[name] = ("%s/%s: it holds neither a recipient of age nor a certificate with an RSA key of 2048 bits or "
        .. "more"):format(folder, name)
    end
    for key, why in pairs(cases) do
      local ok, err = pcall(write, "x.sealed", folder .. "/" .. key, value)
      assert.is_true(not ok and fail.is(err, "config"), key)
      assert.equal(why, err.why)
    end
  end)
end)
