--- devolutions.folder: one spelling of a vault's folder, and what is refused.

local fail = require "fail"
local folder = require "base.vault_folder"

describe("a folder of a vault", function()
  it("has one spelling", function()
    for text, canonical in pairs {
      ["Entra\\Tier0"] = "Entra\\Tier0", ["Entra\\Tier0\\"] = "Entra\\Tier0", ["\\Entra\\\\Tier0"] = "Entra\\Tier0",
      [" Entra \\ Tier0 "] = "Entra\\Tier0", ["Entra\\ \\Tier 0"] = "Entra\\Tier 0", [""] = "", ["\\"] = "", [" "] = "",
      ["Privilégiés\\漢字"] = "Privilégiés\\漢字",
    } do
      assert.equal(canonical, folder.canonical(text))
      assert.is_nil(folder.check(text))
    end
    assert.equal("", folder.canonical(nil))
  end)

  it("is the same whatever the case, also as a server lists it", function()
    assert.is_true(folder.is_same("Entra\\Tier0", "\\ENTRA\\tier0\\"))
    assert.is_true(folder.is_same("PRIVILÉGIÉS\\Ολα\\ЁЖ\\ŁŽ", "privilégiés\\οΛΑ\\ёж\\łž"))
    assert.is_true(folder.is_same(nil, ""))
    assert.is_false(folder.is_same("Entra\\Tier0", "Entra\\Tier1"))
    assert.is_false(folder.is_same("Entra\\Tier0", "Entra"))
    assert.is_false(folder.is_same("Entra\\Tier0", "Entra/Tier0")) -- what "/" means there is not known
    assert.is_false(folder.is_same("Entra\\Tier0", "\xff\t")) -- whatever is listed, it is compared
  end)

  it("is refused with the way to write it", function()
    local cases = {
      ["Entra\tier0"] = { [[\t]], [[Entra\tier0]], [[Entra\\tier0]], [[use the folder "Entra\tier0"]] },
      ["Entra\nurses"] = { [[\n]], [[Entra\nurses]], [[Entra\\nurses]], [[use the folder "Entra\nurses"]] },
      ["Entra\0week"] = { [[\0]], [[Entra\0week]], [[Entra\\0week]], [[use the folder "Entra\0week"]] },
      ["Entra\u{200b}"] = { [[\u{200B}]], [[Entra\u{200B}]], [[Entra\\u{200B}]], [[use the folder "Entra\u{200B}"]] },
    }
    for text, case in pairs(cases) do
      local why = ("it contains an invisible character (%s in a Lua string)"):format(case[1])
      local fix = ("Write it as \"%s\" or [[%s]] in a file, '%s' in a shell."):format(case[3], case[2], case[2])
      assert.same({ why, fix }, { folder.check(text) })
      local _, err = pcall(folder.canonical, text)
      assert.is_true(fail.is(err, "usage"))
      assert.same({ case[4], why, fix }, { err.what, err.why, err.fix })
    end
    assert.same({ "folders are separated by \\", "Write it as \"Entra\\\\Tier0\" or [[Entra\\Tier0]] in a file, "
      .. "'Entra\\Tier0' in a shell." }, { folder.check "Entra/Tier0/" })
    assert.same({ [[it is not UTF-8; in Lua, \ and digits mean a byte]],
      [[Write each \ twice, or the folder as ]] .. "[[Entra\\Tier0]]." }, { folder.check("Entra\2016") })
    assert.is_true(fail.is(select(2, pcall(folder.canonical, "Entra\2016")), "usage"))
  end)
end)

describe("a vault's name", function()
  it("has nothing in it that cannot be seen", function()
    assert.is_nil(folder.check_vault_name "R/D \\ Privileged")
    assert.equal("it contains an invisible character (\\r in a Lua string)",
      folder.check_vault_name "P\rivileged")
  end)
end)
