--- What a recording keeps of an exchange: the form, and nothing that names anybody.

local json = require "host.json"
local sanitiser = require "doctor.sanitiser"
local secret = require "host.secret"

local PROFILE = { login = "https://login.microsoftonline.us", graph = "https://graph.microsoft.us/v1.0" }
local ADELE, APP = "0a1b2c3d-1111-4222-8333-00000000000f", "fedcba98-7654-4321-8fed-cba987654321"
local GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"

local clean

describe("a recording", function()
  before_each(function() clean = sanitiser.new(PROFILE) end)

  it("gives the same id the same made-up id, in any case of its letters, and keeps Microsoft's own ids", function()
    local made_up = clean:id(ADELE)
    assert.not_equal(ADELE, made_up)
    assert.equal(made_up, clean:id(ADELE:upper()))
    assert.not_equal(made_up, clean:id(APP))
    assert.equal(GLOBAL_ADMINISTRATOR, clean:id(GLOBAL_ADMINISTRATOR))
    assert.equal("00000003-0000-0000-c000-000000000000", clean:id "00000003-0000-0000-c000-000000000000")
  end)

  it("keeps the form of texts, dates, and words of the service; and nothing else", function()
    assert.same({
      displayName = "Xxxxx Xxxxx-X'Xxxx (00)", mail = "xxxxx@xxxxxxx.xxxxxxxxxxx.xxx", accountEnabled = true,
      userType = "Guest", createdDateTime = "2025-04-08T09:40:20.2882444Z", secretText = "<removed>",
      jobTitle = json.null, businessPhones = json.array { "+0 000 0000" }, employeeId = 7,
      ["@odata.type"] = "#microsoft.graph.user", id = "00000001-0000-4000-8000-000000000000",
    }, clean:value {
      displayName = "Adele Smith-O'Hara (42)", mail = "adele@contoso.onmicrosoft.com", accountEnabled = true,
      userType = "Guest", createdDateTime = "2025-04-08T09:40:20.2882444Z", secretText = secret.from "Q~very-secret-1",
      jobTitle = json.null, businessPhones = json.array { "+1 555 0100" }, employeeId = 7,
      ["@odata.type"] = "#microsoft.graph.user", id = ADELE,
    })
    assert.equal("Xxx Xxxx xx 0000", clean:value("Gäd Größe in 2025", "state")) -- no word of the service's
    assert.same({ ["xxxxxxxxx_0xx_xxxx"] = true, ["owners@odata.nextLink"] = "xxx", ["xxx@xxxxxxx.xxx"] = 1 },
      clean:value { extension_1ab_shoe = true, ["owners@odata.nextLink"] = "abc", ["bob@contoso.com"] = 1 })
  end)

  it("keeps sentences, without what is quoted in them, addresses, hosts and ids", function()
    for said, kept in pairs {
      ["Resource 'adele@contoso.com' does not exist."] = "Resource 'xxxxx@xxxxxxx.xxx' does not exist.",
      ["AADSTS90002: Tenant 'contoso.example' not found."] = "AADSTS90002: Tenant 'xxxxxxx.xxxxxxx' not found.",
      ["The user bob.o'neil@shop.contoso.com of fabrikam.onmicrosoft.com may not."] =
        "The user xxx.x'xxxx@xxxx.xxxxxxx.xxx of xxxxxxxx.xxxxxxxxxxx.xxx may not.",
      ["To sign in, open the page https://127.0.0.1:34673/devicelogin and enter the code EEKVQG37G to authenticate."] =
        "To sign in, open the page https://000.0.0.0:00000/devicelogin and enter the code XXXXXX00X to authenticate.",
      ["See https://login.microsoftonline.com/error?code=70016 or https://aka.ms/certCreds"] =
        "See https://login.microsoftonline.com/error?code=70016 or https://aka.ms/xxxxXxxxx",
      ["Trace ID: " .. ADELE .. " Timestamp: 2025-03-07 21:25:44Z"] =
        "Trace ID: 00000001-0000-4000-8000-000000000000 Timestamp: 2025-03-07 21:25:44Z",
    } do
      assert.equal(kept, sanitiser.new(PROFILE):value(said, "message"))
    end
  end)

  -- Names as an attacker would choose them: with apostrophes that turn quotes around, English words, encodings.
  it("keeps no name of a sentence, quoted or not", function()
    for said, kept in pairs {
      ["The user's application 'Contoso Payroll' can't be used."] =
        "The user's application 'Xxxxxxx Xxxxxxx' can't be used.",
      ["Tenant 'O'Brien Ltd' not found. Check 'Mark's shoes'."] =
        "Tenant 'X'Xxxxx Xxx' not found. Check 'Xxxx'x xxxxx'.",
      ["AADSTS50105: The application Contoso Payroll is blocked for Adele Vance."] =
        "AADSTS50105: The application Xxxxxxx Xxxxxxx is blocked for Xxxxx Xxxxx.",
      ["The directory contoso, api://contoso/x, +49 170 555-0100 and 015155501001."] =
        "The directory xxxxxxx, xxx://xxxxxxx/x, +00 000 000-0000 and 000000000000.",
      ["The role of \u{202e}Großmann and of Straße is not found."] =
        "The role of xXxxxxxxx and of Xxxxxx is not found.",
    } do
      assert.equal(kept, sanitiser.new(PROFILE):value(said, "message"))
    end
  end)

  it("knows names that are percent-encoded, and options that are a tenant's", function()
    for url, kept in pairs {
      ["https://graph.microsoft.us/v1.0/applications(uniqueName=%27bobs-app%27)"] =
        "https://graph.microsoft.com/v1.0/applications(uniqueName=%27xxxx-xxx%27)",
      ["https://graph.microsoft.us/v1.0/users?%24search=%22displayName%3AAdele%22&$filter=city eq 'O''Neil'"] =
        "https://graph.microsoft.com/v1.0/users?%24search=%22xxxxxxxXxxx:Xxxxx%22&$filter=city eq 'X''Xxxx'",
      ["https://login.microsoftonline.us/common/oauth2/authorize?login_hint=adele%40contoso.com&domain_hint=contoso"] =
        "https://login.microsoftonline.com/common/oauth2/authorize?xxxxx_xxxx=xxxxx@xxxxxxx.xxx&xxxxxx_xxxx=xxxxxxx",
      ["https://graph.microsoft.us/v1.0/$contoso/applications(contoso)?$select=extension_1ab_shoe,id"] =
        "https://graph.microsoft.com/v1.0/$xxxxxxx/applications(xxxxxxx)?$select=xxxxxxxxx_0xx_xxxx,id",
    } do
      assert.equal(kept, sanitiser.new(PROFILE):url(url))
    end
  end)

  it("keeps words only where they are the service's, numbers only where they are small", function()
    assert.same({ state = "Xxxxxxx", type = "xxxxxxx", code = "Xxxxxxx", phone = 10000000000, error_codes = { 700016 },
      status = 404, count = 12, category = "xxx.xxxxx", scope = "User.Read.All Xxxxxxx.Xxxxxxx" },
      clean:value { state = "Bavaria", type = "contoso", code = "Contoso", phone = 49170555010,
        error_codes = { 700016 },
        status = 404, count = 12, category = "bob.smith", scope = "User.Read.All Contoso.Payroll" })
    assert.same({ code = "Strange_NewCode", message = "" }, clean:value { code = "Strange_NewCode", message = "" })
  end)

  it("keeps no name of a member that is a tenant's", function()
    assert.same({ ["xxxxx@xxxxxxx.xxx@odata.type"] = 1, xxxxxxx_xxxxx = 2, ["xxx.xxxxxxx.xxxxx"] = 3,
      customSecurityAttributes = { xxxxxxxxxxx = { xxxxxxx = "Xxxxx" } }, ["@odata.nextLink"] = "x",
      expires_in = 3599,
    }, clean:value { ["adele@contoso.com@odata.type"] = 1, contoso_shoes = 2, ["com.contoso.theme"] = 3,
      customSecurityAttributes = { engineering = { project = "Baker" } }, ["@odata.nextLink"] = "x",
      expires_in = 3599,
    })
    assert.equal("<removed>", clean:form "adele@contoso.com")
  end)

  it("keeps the words of addresses, and neither keys nor the tenant", function()
    for url, kept in pairs {
      ["https://graph.microsoft.us/v1.0/users/adele@contoso.com?$select=id,displayName"] =
        "https://graph.microsoft.com/v1.0/users/xxxxx@xxxxxxx.xxx?$select=id,displayName",
      ["https://graph.microsoft.us/v1.0/groups/" .. ADELE .. "/transitiveMembers/microsoft.graph.user?$count=true"] =
        "https://graph.microsoft.com/v1.0/groups/00000001-0000-4000-8000-000000000000/transitiveMembers/"
        .. "microsoft.graph.user?$count=true",
      ["https://login.microsoftonline.us/contoso.onmicrosoft.us/oauth2/v2.0/token"] =
        "https://login.microsoftonline.com/xxxxxxx.xxxxxxxxxxx.xx/oauth2/v2.0/token",
      ["https://graph.microsoft.us/v1.0/applications(uniqueName='bobs-app')?%24filter=displayName%20eq%20%27Bob%27"] =
        "https://graph.microsoft.com/v1.0/applications(uniqueName='xxxx-xxx')?%24filter=displayName%20eq%20%27Xxx%27",
      ["https://graph.microsoft.us/v1.0/users?$skiptoken=RFNwdAIAAQAAAB4Adele"] =
        "https://graph.microsoft.com/v1.0/users?$skiptoken=XXXxxXXXXXXXXX0Xxxxx",
      ["https://dvls.contoso.com/api/v1/vault"] = "https://xxxx.xxxxxxx.xxx/xxx/x0/xxxxx",
    } do
      assert.equal(kept, sanitiser.new(PROFILE):url(url))
    end
  end)

  it("keeps the permissions of a scope, and what a discovery supports", function()
    assert.equal("https://graph.microsoft.com/User.Read.All openid .default https://xxx.xxxxxxx.xxx/Xxxxx_xxxxx",
      clean:value("https://graph.microsoft.us/User.Read.All openid .default https://api.contoso.com/Shoes_write",
        "scope"))
    assert.same(json.array { "RS256", "form_post" }, clean:value(json.array { "RS256", "form_post" }, "x_supported"))
  end)

  it("keeps of a form only which members there are", function()
    assert.equal("grant_type=client_credentials&client_id=<removed>&client_secret=<removed>&scope=<removed>",
      clean:form "grant_type=client_credentials&client_id=app-1&client_secret=[secret]&scope=https%3A%2F%2Fgraph")
  end)

  -- Names put in every place of a deep value; none may be left, whatever the member is called.
  it("has no name left in it, wherever it stood", function()
    local names = { "Adele Vance", "adele.vance@contoso.com", "contoso", "Großmann", "O'Neil", ADELE, APP:upper() }
    local members = { "displayName", "id", "value", "userPrincipalName", "code", "type", "state", "status", "error",
      "userType", "appRoles", "notes", "uniqueName", "target", "hint", "claims", "extension_1_Großmann", "name" }
    local function filled(depth)
      local value = {}
      for i, member in ipairs(members) do
        value[member] = depth > 0 and i % 5 == 0 and filled(depth - 1) or names[i % #names + 1]
      end
      return depth % 2 == 0 and value or json.array { value, names[depth + 1], value }
    end
    local text = json.encode(clean:value(filled(3)), true)
    for _, name in ipairs { "Adele", "Vance", "vance", "Großmann", "O'Neil", ADELE, APP, APP:upper() } do
      assert.is_nil(text:find(name, 1, true), name)
    end
  end)
end)
