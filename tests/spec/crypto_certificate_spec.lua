-- takes 3 s: makes keys
--- Certificates from files, and signatures of others: OpenSSL's own program makes and checks them.

local crypto = require "host.crypto"
local json = require "host.json"
local reveal = require "reveal"
local secret = require "host.secret"
local sys = require "host.sys"

local folder

local function openssl(line)
  local command = ("cd %s && env -i PATH=/usr/bin:/bin openssl %s 2>/dev/null"):format(folder, line)
  local pipe <close> = assert(io.popen(command))
  local out = pipe:read("a")
  assert(pipe:close(), line)
  return out
end

local function slurp(name)
  local file <close> = assert(io.open(folder .. "/" .. name, "rb"))
  return file:read("a")
end

local function write(name, text)
  local file <close> = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text)
end

local function load_file(name, passphrase)
  return crypto.certificate(secret.from(slurp(name)), passphrase and secret.from(passphrase))
end

local function refused(why, name, passphrase)
  local key, message = load_file(name, passphrase)
  assert.is_nil(key, name)
  assert.equal(why, message)
end

describe("a certificate's file", function()
  setup(function()
    folder = assert(sys.temporary("certificate"))
    openssl("req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=rotator/O=Contoso, Inc.' -keyout key.pem -out c.pem")
    openssl("req -x509 -newkey rsa:3072 -nodes -days 30 -subj /CN=other -keyout other.key -out other.pem")
    openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ec -keyout ec.key -out ec.pem")
    openssl("req -x509 -newkey rsa:1024 -nodes -subj /CN=short -keyout short.key -out short.pem")
    openssl("rsa -in key.pem -aes256 -passout pass:correct -out locked.key")
    openssl("pkcs12 -export -inkey key.pem -in c.pem -passout pass:correct -out p12")
    openssl("pkcs12 -export -inkey key.pem -in c.pem -passout pass: -out open.p12")
    openssl("pkcs12 -export -legacy -inkey key.pem -in c.pem -passout pass:correct -out legacy.p12")
    openssl("pkcs12 -export -nokeys -in c.pem -passout pass:correct -out nokey.p12")
    openssl("pkcs12 -export -inkey ec.key -in ec.pem -passout pass:correct -out ec.p12")
    write("both", slurp "key.pem" .. slurp "c.pem")
    write("chain", slurp "other.pem" .. slurp "c.pem" .. slurp "key.pem")
    write("locked", slurp "c.pem" .. slurp "locked.key")
    write("foreign", slurp "other.pem" .. slurp "key.pem")
    write("short", slurp "short.pem" .. slurp "short.key")
    write("garbled", (slurp "key.pem":gsub("\n....", "\n", 1)) .. slurp "c.pem")
    write("nonsense", "hello")
  end)
  teardown(function() sys.remove_tree(folder) end)

  it("gives key and certificate, in PEM or PKCS#12", function()
    local numbers = { openssl("x509 -in c.pem -noout -modulus"):match("Modulus=(%x+)") }
    local digests = {}
    for _, name in ipairs { "sha1", "sha256" } do
      digests[name] = openssl("x509 -in c.pem -noout -fingerprint -" .. name):match("=([%x:]+)"):gsub(":", ""):lower()
    end
    for name, passphrase in pairs { both = "", chain = "unused", locked = "correct", p12 = "correct",
      ["open.p12"] = "" } do
      local key = assert(load_file(name, passphrase ~= "" and passphrase or nil))
      local about = key:describe()
      assert.equal("O=Contoso\\, Inc.,CN=rotator", about.subject)
      assert.equal(30 * 86400, about.not_after - about.not_before)
      assert.same({ digests.sha1, digests.sha256 }, { crypto.hex(about.sha1), crypto.hex(about.sha256) })
      assert.equal(numbers[1]:lower(), crypto.hex(crypto.unbase64((key:public()))))
      assert.equal(crypto.digest("sha256", about.der), about.sha256)
    end
  end)

  it("is refused with the reason", function()
    refused("it holds no private key", "c.pem")
    refused("it holds no certificate", "key.pem")
    refused("none of its certificates belongs to its private key", "foreign")
    refused("its private key is encrypted, and no passphrase was given", "locked")
    refused("the passphrase is wrong", "locked", "wrong")
    refused("its private key is encrypted, and no passphrase was given", "p12")
    refused("the passphrase is wrong", "p12", "wrong")
    refused("it is damaged, or encrypted with an outdated algorithm (RC2 or 3DES)", "legacy.p12",
      "correct")
    refused("it holds no private key", "nokey.p12", "correct")
    refused("its key is not an RSA key, and Entra accepts only RSA", "ec.p12", "correct")
    refused("its RSA key is shorter than 2048 bits", "short")
    refused("its private key cannot be read", "garbled")
    refused("it is neither PEM nor PKCS#12", "nonsense")
    write("wide", "\255\254" .. slurp("both"):gsub(".", "%0\0"))
    refused("it is text in UTF-16; save it as UTF-8", "wide")
  end)

  it("is read behind a byte order mark, and with its certificate in another file", function()
    write("marked", "\239\187\191" .. slurp "both")
    assert.equal("O=Contoso\\, Inc.,CN=rotator", assert(load_file "marked"):describe().subject)
    local key = assert(crypto.certificate(secret.from(slurp "key.pem"), nil, slurp "c.pem"))
    assert.equal("O=Contoso\\, Inc.,CN=rotator", key:describe().subject)
    assert.same({ nil, "none of its certificates belongs to its private key" },
      { crypto.certificate(secret.from(slurp "key.pem"), nil, slurp "other.pem") })
  end)

  it("is not guessed at when it is cut off anywhere", function()
    local whole = slurp "p12"
    for size = 1, #whole - 1, 37 do
      local key, message = crypto.certificate(secret.from(whole:sub(1, size)), secret.from("correct"))
      assert.is_nil(key)
      assert.is_string(message)
    end
  end)

  it("signs what OpenSSL verifies, with keys of any size", function()
    write("long", slurp "other.key" .. slurp "other.pem")
    for name, certificate in pairs { both = "c.pem", long = "other.pem" } do
      local key = assert(load_file(name))
      local token = reveal(key:assertion("PS256", "{}", '{"a":1}'))
      local signed, signature = token:match("^(.+)%.([^.]+)$")
      write("signed", signed)
      write("signature", crypto.unbase64(signature))
      write("public", openssl(("x509 -in %s -noout -pubkey"):format(certificate)))
      assert.matches("Verified OK", openssl("dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32"
        .. " -verify public -signature signature signed"))
    end
  end)

  it("alone has a public half that verifies and does not sign", function()
    local key = assert(load_file("both"))
    local public = assert(crypto.x509(key:describe().der))
    assert.equal(key:describe().sha256, public:describe().sha256)
    assert.is_true(public:verify("PS256", key:assertion("PS256", "{}", "{}")))
    assert.has_error(function() key:sign("PS256", "{}", "{}") end, "calling 'sign' on bad self (this key was read "
      .. "from a secret, so what it signs is a secret: use key:assertion)")
    assert.error_matches(function() public:sign("PS256", "{}", "{}") end, "a private key is expected", 1, true)
    for _, der in ipairs { "", "x", key:describe().der:sub(1, -2), key:describe().der .. "x" } do
      local none, message = crypto.x509(der)
      assert.is_nil(none)
      assert.equal("it is not an X.509 certificate (DER)", message)
    end
  end)
end)

describe("a private key that is no secret", function()
  it("comes from PEM text and signs text; an encrypted or short key is refused", function()
    folder = assert(sys.temporary "moonlatch-spec-")
    openssl "genrsa -out plain.pem 2048"
    openssl "genrsa -aes128 -passout pass:x -out sealed.pem 2048"
    openssl "genrsa -out short.pem 1024"
    local key = assert(crypto.private_key(slurp "plain.pem"))
    local signed = key:sign("RS256", "{}", "{}")
    assert.is_string(signed)
    assert.is_true(key:verify("RS256", signed))
    assert.same({ nil, "it holds no unencrypted private key in PEM" },
      { crypto.private_key(slurp "sealed.pem") })
    assert.same({ nil, "its RSA key is shorter than 2048 bits" }, { crypto.private_key(slurp "short.pem") })
    assert(sys.remove_tree(folder))
  end)
end)

describe("a compact JWS", function()
  local key = crypto.key()
  local public = assert(crypto.public_key(key:public()))

  it("verifies by its own algorithm, unchanged, and by the other half only", function()
    local other = crypto.key()
    for algorithm, wrong in pairs { RS256 = "PS256", PS256 = "RS256" } do
      local token = key:sign(algorithm, "{}", '{"sub":"x"}')
      assert.is_true(public:verify(algorithm, token))
      assert.is_true(key:verify(algorithm, secret.from(token)))
      assert.is_false(public:verify(wrong, token))
      assert.is_false(public:verify("none", token))
      assert.is_false(public:verify("HS256", token))
      assert.is_false(other:verify(algorithm, token))
      local header, claims, signature = token:match("^(.-)%.(.-)%.(.-)$")
      assert.is_false(public:verify(algorithm, ("%s.%sA.%s"):format(header, claims, signature)))
      assert.is_false(public:verify(algorithm, ("%s.%s."):format(header, claims)))
      assert.is_false(public:verify(algorithm, ("%s.%s"):format(header, claims)))
      assert.is_false(public:verify(algorithm, token .. "."))
      assert.is_false(public:verify(algorithm, ""))
    end
  end)

  it("is read without being believed", function()
    local header, claims = crypto.jws(key:assertion("PS256", '{"typ":"JWT"}', '{"sub":"x","n":1}'))
    assert.same({ typ = "JWT", alg = "PS256" }, header)
    assert.same({ sub = "x", n = 1 }, claims)
    local base64url = crypto.base64url
    for text, message in pairs {
      [""] = "it does not have three parts", ["a.b"] = "it does not have three parts",
      ["..."] = "its header is not a JSON object",
      ["e30.!.x"] = "its claims are not a JSON object", ["e30..x"] = "its claims are not a JSON object",
      [base64url "[1]" .. ".e30.x"] = "its header is not a JSON object", ["e30." .. base64url "{}x" .. ".x"] =
        "its claims are not a JSON object",
    } do
      local none, why = crypto.jws(text)
      assert.is_nil(none)
      assert.equal("it is not a signed token: " .. message, why)
    end
  end)

  it("is a secret when it is an assertion", function()
    local token = key:assertion("RS256", "{}", json.encode { sub = "x" })
    assert.equal("[secret]", tostring(token))
  end)

  it("needs numbers that make a key", function()
    local n, e = key:public()
    for _, pair in ipairs { { "", e }, { n, "" }, { "!", e }, { n, "!!" }, { ("A"):rep(9000), e } } do
      local none, message = crypto.public_key(pair[1], pair[2])
      assert.is_nil(none)
      assert.equal("the modulus and the exponent do not make an RSA key", message)
    end
    local _, message = crypto.public_key("AQAB", e)
    assert.equal("its RSA key is shorter than 2048 bits", message)
  end)
end)

describe("a certificate that signed itself", function()
  it("comes with its key, signs, and says of itself what openssl says of it", function()
    folder = assert(sys.temporary("certificate"))
    local pem = crypto.self_signed("Moonlatch rotator", 1795000000, 1795864000)
    assert.equal("[secret]", tostring(pem))
    local key = assert(crypto.certificate(pem))
    local about = key:describe()
    assert.equal("CN=Moonlatch rotator", about.subject)
    assert.equal(1795000000, about.not_before)
    assert.equal(1795864000, about.not_after)
    local signed = key:assertion("PS256", "{}", "{}")
    assert.is_true(assert(crypto.x509(about.der)):verify("PS256", signed))

    write("made.der", about.der)
    local text = openssl "x509 -inform DER -in made.der -noout -text"
    for _, words in ipairs { "Version: 3", "Public-Key: (3072 bit)", "CA:FALSE", "Digital Signature",
      "sha256WithRSAEncryption" } do
      assert.truthy(text:find(words, 1, true), words)
    end
    openssl "verify -no_check_time -partial_chain -trusted made.der made.der"
    sys.remove_tree(folder)
  end)

  it("has a name and an end after its beginning", function()
    assert.has_error(function() crypto.self_signed("", 0, 1) end)
    assert.has_error(function() crypto.self_signed(("x"):rep(65), 0, 1) end)
    assert.has_error(function() crypto.self_signed("a\0b", 0, 1) end)
    assert.has_error(function() crypto.self_signed("x", 5, 5) end)
  end)
end)

describe("a key with its certificate", function()
  local pem, made

  setup(function()
    folder = assert(sys.temporary "certificate")
    pem = crypto.self_signed("billing", 1795000000, 1795864000)
    made = crypto.certificate(pem)
    write("made.pem", reveal(pem))
  end)

  teardown(function() sys.remove_tree(folder) end)

  it("is PKCS#12 that openssl opens, with a passphrase and without", function()
    for passphrase, given in pairs { ["correct horse"] = secret.from "correct horse", [""] = false } do
      local bytes = made:export("pkcs12", given or nil)
      write("out.p12", reveal(bytes))
      assert.equal("value", secret.kind(bytes))
      openssl(("pkcs12 -in out.p12 -passin 'pass:%s' -nodes -out out.pem"):format(passphrase))
      assert.equal(openssl "pkey -in made.pem", openssl "pkey -in out.pem")
      assert.equal(openssl "x509 -in made.pem", openssl "x509 -in out.pem")
      local about = openssl(("pkcs12 -in out.p12 -passin 'pass:%s' -nokeys -info 2>&1 | cat"):format(passphrase))
      assert.truthy(about:find("MAC: sha256", 1, true) and about:find("AES-256-CBC", 1, true), about)
    end
    assert.has_error(function() openssl "pkcs12 -in out.p12 -passin pass:wrong -nodes" end)
  end)

  it("comes back from each form as the same PEM", function()
    local passphrase <close> = secret.from "correct horse"
    local certificate = made:export "certificate"
    assert.equal(openssl "x509 -in made.pem", certificate)
    write("key.pem", reveal(made:export "key"))
    assert.equal(openssl "pkey -in made.pem", slurp "key.pem")
    local forms = {
      { made:export "pkcs12" }, { made:export("pkcs12", passphrase), passphrase }, { made:export "pem" },
      { made:export "key", nil, certificate }, { made:export "key", nil, secret.from(certificate) },
    }
    for _, form in ipairs(forms) do
      local again <close> = assert(crypto.certificate(form[1], form[2], form[3]))
      assert.is_true(secret.equals(pem, again:export "pem"))
    end
  end)

  it("is written as a secret of the kind of the secret that it was read from, and only then", function()
    local credential <close> = secret.copy(pem, "credential")
    local key <close> = crypto.certificate(credential)
    for _, form in ipairs { "pem", "key", "pkcs12" } do
      assert.equal("credential", secret.kind(key:export(form)))
      assert.equal("[secret]", tostring(key:export(form)))
    end
    local public <close> = crypto.x509(made:describe().der)
    for _, form in ipairs { "pem", "key", "pkcs12" } do
      assert.has_error(function() public:export(form) end,
        "calling 'export' on bad self (a key that was read from a secret is expected)")
    end
    assert.equal(made:export "certificate", public:export "certificate")
    local bare <close> = crypto.key()
    assert.has_error(function() bare:export "pem" end,
      "calling 'export' on bad self (a key with its certificate is expected)")
  end)
end)
