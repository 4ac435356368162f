-- What an installation has, and what `./dev` says of packages that are missing.

local json = require "host.json"
local moonlatch = require "moonlatch"

local BUILD = os.getenv("MOONLATCH"):match "^(.*)/[^/]*$"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

-- What a command line writes, and its exit status.
local function output_of(line)
  local pipe = assert(io.popen("{ " .. line .. "; } 2>&1"))
  local text = pipe:read "a"
  local _, _, status = pipe:close()
  return text, status
end

describe("an installation", function()
  local place, root

  setup(function()
    place = moonlatch.place()
    root = place.path .. "/root"
    local text, status = output_of(("DESTDIR='%s' cmake --install '%s' --prefix /usr"):format(root, BUILD))
    assert.equal(0, status, text)
  end)

  teardown(function() getmetatable(place).__close(place) end)

  it("has the program, manual pages, completions, definitions, units, documents and the licence", function()
    for _, path in ipairs {
      "bin/moonlatch", "sbin/moonlatch-operator", "libexec/moonlatch-mail", "share/man/man1/moonlatch.1",
      "share/man/man1/moonlatch-rotate.1", "share/man/man5/moonlatch.lua.5", "share/man/man5/moonlatch-policy.5",
      "share/man/man7/moonlatch-scripts.7", "share/bash-completion/completions/moonlatch",
      "share/zsh/site-functions/_moonlatch", "share/fish/vendor_completions.d/moonlatch.fish",
      "share/moonlatch/types/graph.lua", "share/moonlatch/types/types.lua",
      "lib/systemd/system/moonlatch-rotate@.service",
      "lib/systemd/system/moonlatch-rotate@.timer", "lib/systemd/system/moonlatch-notify@.timer",
      "lib/systemd/system/moonlatch-watch@.service", "lib/sysusers.d/moonlatch.conf", "lib/tmpfiles.d/moonlatch.conf",
      "share/doc/moonlatch/README.md", "share/doc/moonlatch/LICENSE", "share/doc/moonlatch/docs/writing-scripts.md",
    } do
      assert(#read(root .. "/usr/" .. path) > 0, path)
    end
  end)

  it("can be read by everybody, and be written by root only", function()
    local text = output_of(("find '%s/usr' -printf '%%y %%m\\n' | sort -u"):format(root))
    assert.equal("d 755\nf 644\nf 755\n", text)
  end)

  it("has what every link of its README leads to", function()
    local folder = root .. "/usr/share/doc/moonlatch/"
    for link in read(folder .. "README.md"):gmatch "%]%(([%w_/.-]+)%)" do
      if not link:find "^package/" then assert(#read(folder .. link) > 0, link) end
    end
  end)

  it("makes the folders for the user that its units run as", function()
    local folders = read(root .. "/usr/lib/tmpfiles.d/moonlatch.conf")
    local user = read(root .. "/usr/lib/systemd/system/moonlatch-rotate@.service"):match "\nUser=(%w+)\n"
    assert.truthy(folders:find(("d /var/lib/moonlatch 0700 %s %s\n"):format(user, user), 1, true))
    assert.truthy(read(root .. "/usr/lib/sysusers.d/moonlatch.conf"):find("\nu " .. user .. " ", 1, true))
    assert.truthy(folders:find("d /etc/credstore 0700 root root\n", 1, true))
  end)
end)

describe("the package", function()
  it("has scripts that a shell can read", function()
    for _, name in ipairs { "debian/moonlatch.postinst", "debian/moonlatch.prerm", "debian/moonlatch.postrm", "sbom",
      "mirror" } do
      assert.same({ "", 0 }, { output_of(("sh -n '%s/package/%s'"):format(SOURCE, name)) })
    end
    for _, name in ipairs { "run", "build", "check", "container" } do
      assert.same({ "", 0 }, { output_of(("bash -n '%s/package/%s'"):format(SOURCE, name)) })
    end
  end)

  it("lists its components as CycloneDX: what the program is linked with, and what it embeds", function()
    local text, status = output_of(("SOURCE_DATE_EPOCH=0 '%s/package/sbom' '%s'"):format(SOURCE, os.getenv "MOONLATCH"))
    assert.equal(0, status, text)
    local list = json.decode(text)
    assert.same({ "CycloneDX", "1.5", "1970-01-01T00:00:00Z", "moonlatch" },
      { list.bomFormat, list.specVersion, list.metadata.timestamp, list.metadata.component.name })
    local found, refs = {}, {}
    for i, component in ipairs(list.components) do
      refs[i] = component["bom-ref"]
      found[component.name:gsub("t64$", "")] = component
      assert.matches("^pkg:deb/debian/[%w.+-]+@[%w.%%~-]+%?arch=%w+&distro=%w+%-%d+$", component.purl)
    end
    for _, name in ipairs { "libc6", "libcurl4", "libssl3", "lua-argparse" } do assert(found[name], name) end
    assert.same(refs, list.dependencies[1].dependsOn)
  end)
end)

describe("./dev", function()
  -- Run ./dev with programs of the test's own before those of the machine.
  local function dev(place, programs, words)
    for name, text in pairs(programs) do
      assert(os.execute(("chmod +x '%s'"):format(place:write("bin/" .. name, "#!/bin/sh\n" .. text .. "\n"))))
    end
    return output_of(("cd '%s' && PATH='%s/bin':/usr/bin:/bin ./dev %s"):format(SOURCE, place.path, words))
  end

  it("says which packages an administrator has to install, when nobody may here", function()
    local place <close> = moonlatch.place()
    assert.same({ "Debian packages are missing, and you may not install them. Ask an administrator for this:\n"
      .. "  apt-get install --no-install-recommends lua-check clang-format\n", 1 },
      { dev(place, { id = "echo 1000", sudo = "exit 1", ["dpkg-query"] = "exit 1" }, "lint") })
  end)

  it("checks no package as somebody who is not root, and says what was skipped", function()
    local place <close> = moonlatch.place()
    local text, status = dev(place, { id = "echo 1000" }, "package --check")
    assert.equal(1, status)
    assert.equal("skipped: building, installing and removing the packages, and the container: only root can make the "
      .. "chroots\n0 passed, all skipped; as root: sudo ./dev package --check\n", text)
  end)
end)
