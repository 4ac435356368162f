--- folder.sealed: a secret that only the holder of a private key can read, with openssl.

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
    for _, line in ipairs {
      "openssl genrsa -out %s/key.pem 2048", "openssl rsa -in %s/key.pem -pubout -out %s/public.pem",
      "openssl req -x509 -key %s/key.pem -subj /CN=x -days 2 -out %s/certificate.pem",
      "openssl genrsa -out %s/short.key 1024", "openssl rsa -in %s/short.key -pubout -out %s/short.pem",
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

  local function opened(path)
    return shell(("base64 -d <%s | openssl pkeyutl -decrypt -inkey %s/key.pem -pkeyopt rsa_padding_mode:oaep "
      .. "-pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256"):format(path, folder))
  end

  it("opens with openssl and the private key, and holds nothing readable", function()
    for _, key in ipairs { "public.pem", "certificate.pem" } do
      local value <close> = secret.from("v~" .. key .. "~the value")
      local path = ("%s/%s.sealed"):format(folder, key)
      write(key .. ".sealed", folder .. "/" .. key, value)
      assert.equal("v~" .. key .. "~the value", opened(path))
      assert.equal(384, sys.stat(path).mode & 511) -- 0600
    end
  end)

  it("is refused without a key that will do", function()
    local value <close> = secret.from "some value or other"
    local cases = {
      ["none.pem"] = "cannot open '" .. folder .. "/none.pem': No such file or directory",
      ["short.pem"] = folder .. "/short.pem: it holds no RSA public key in PEM with 2048 bits or more",
      ["key.pem"] = folder .. "/key.pem: it holds no RSA public key in PEM with 2048 bits or more",
    }
    for key, why in pairs(cases) do
      local ok, err = pcall(write, "x.sealed", folder .. "/" .. key, value)
      assert.is_true(not ok and fail.is(err, "config"), key)
      assert.equal(why, err.why)
    end
    local long <close> = secret.random(200)
    local pem = assert(sys.read(folder .. "/public.pem", 10000))
    assert.equal("a value of 200 bytes does not fit a key of 2048 bits", select(2, crypto.seal_to(pem, long)))
  end)
end)
